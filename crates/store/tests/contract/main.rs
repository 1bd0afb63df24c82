//! The contract every store fulfils (`suite`), run for each of them, and what is particular to one (`sqlite`).

mod sqlite;
mod suite;

/// Lists the suite once: a store needs only a function that opens an empty one.
macro_rules! contract_for {
    ($open:path) => {
        crate::contract_for!(
            $open:
            a_second_start_finds_the_first,
            starts_at_once_give_one_task,
            the_same_task_id_runs_in_other_rooms_and_apps,
            a_stopped_task_id_may_start_again,
            get_answers_the_newest_within_the_window,
            a_task_row_keeps_what_was_asked,
            a_stop_is_told_apart,
            steps_repeat_and_never_lead_back,
            a_late_report_does_not_undo_a_stop,
            what_a_step_set_first_stays,
            a_task_ends_only_with_all_files_finished,
            a_failed_start_is_told,
            an_unfinished_task_changes_its_worker,
            notes_are_kept_once_and_bounded,
            a_mix_has_files_and_streams_of_its_own,
            a_request_is_changed_while_the_task_runs,
            a_restart_reads_all_unfinished_work,
            a_file_is_added_once,
            an_ended_task_takes_no_file,
            a_file_goes_through_its_states,
            two_files_never_share_a_place_in_the_library,
            a_recording_has_a_file_of_each_format,
            only_an_unfinished_file_is_discarded,
            files_are_found_by_vid_and_in_pages,
            settings_are_replaced,
            unknown_rows_are_not_found,
        );
    };
    ($open:path: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let opened = $open().await;
                crate::suite::$name(&opened.store).await;
            }
        )*
    };
}
pub(crate) use contract_for;
