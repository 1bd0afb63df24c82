//! Every subcommand's help, and what is refused before anything starts.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_description_of_arguments_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_argument_has_a_help_text_and_every_subcommand_examples() {
    for sub in Cli::command().get_subcommands() {
        if sub.is_hide_set() {
            continue;
        }
        assert!(sub.get_about().is_some(), "{}", sub.get_name());
        let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains("Examples:"), "{} has no examples", sub.get_name());
        for argument in sub.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", sub.get_name(), argument.get_id());
        }
    }
}

/// The lines of all examples are accepted.
#[test]
fn examples_in_help_texts_are_accepted() {
    let mut seen = 0;
    for sub in Cli::command().get_subcommands() {
        let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = after.lines().skip_while(|line| *line != "Examples:");
        for line in examples.filter_map(|line| Some(line.split_at(line.find("tapedeck ")?).1)) {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 2 * 6, "{seen}");
}

#[test]
fn mistakes_are_refused() {
    for (line, kind) in [
        ("tapedeck", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("tapedeck recrod", ErrorKind::InvalidSubcommand),
        ("tapedeck token --room r", ErrorKind::MissingRequiredArgument),
        ("tapedeck token --room r --user u --valid 6", ErrorKind::ValueValidation),
        ("tapedeck token --room r --user u --attribute x", ErrorKind::ValueValidation),
        ("tapedeck check --set x", ErrorKind::ValueValidation),
        ("tapedeck check --set =x", ErrorKind::ValueValidation),
        ("tapedeck check --deep", ErrorKind::UnknownArgument),
    ] {
        assert_eq!(parse(line).expect_err(line).kind(), kind, "{line}");
    }
}
