use super::*;
use crate::fetch::Limits;
use crate::fetch::tests::{PNG, Site};

/// May fetch from 127.0.0.1.
fn images(dir: &Path) -> Images {
    Images::new(dir.to_owned(), Fetcher::new(Limits::default(), vec!["127.0.0.1/32".parse().unwrap()]).unwrap())
}

#[tokio::test]
async fn an_image_is_kept_until_its_task_ends() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let images = images(&dir.path().join("images"));
    let url = site.url("/image?signature=secret");
    assert_eq!(images.find(7, &url), None);
    images.obtain(7, &url).await.unwrap();
    let path = images.find(7, &url).expect("the image is there");
    assert_eq!(std::fs::read(&path).unwrap(), PNG);
    assert!(!path.to_string_lossy().contains("secret"));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else");
    assert_eq!((images.find(8, &url), images.find(7, &site.url("/image"))), (None, None));
    std::fs::write(&path, "").unwrap();
    assert_eq!(images.find(7, &url), None, "a crash took its bytes");
    images.end(7).await;
    images.end(7).await;
    assert!(!images.task_dir(7).exists());
}

#[tokio::test]
async fn what_is_no_image_is_not_kept() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let images = images(dir.path());
    let error = images.obtain(7, &site.url("/text")).await.unwrap_err();
    assert!(matches!(error, ImageError::Kind), "{error}");
    assert!(!images.task_dir(7).exists());
}

#[tokio::test]
async fn an_image_is_tried_three_times_where_that_may_help() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let images = images(dir.path());
    let (third, down) = (site.url("/busy/third/2"), site.url("/busy/down/9"));
    let missing = site.url("/status/404");
    let (third, down, missing) =
        tokio::join!(images.obtain(7, &third), images.obtain(7, &down), images.obtain(7, &missing));
    third.unwrap();
    assert!(matches!(down, Err(ImageError::Fetch(FetchError::Status(503)))), "{down:?}");
    assert!(matches!(missing, Err(ImageError::Fetch(FetchError::Status(404)))), "{missing:?}");
    assert_eq!((site.calls("third"), site.calls("down")), (3, 3));
}

#[tokio::test]
async fn a_task_that_ends_ends_its_fetches() {
    let dir = tempfile::tempdir().unwrap();
    let images = images(dir.path());
    let (held, ended) = tokio::sync::oneshot::channel::<()>();
    images.tasks().entry(7).or_default().fetches.spawn(async move {
        let _held = held;
        std::future::pending().await
    });
    images.end(7).await;
    ended.await.unwrap_err();
}

#[tokio::test]
async fn images_of_ended_tasks_go_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let images = images(dir.path());
    images.keep_only(&BTreeSet::new());
    for name in ["7", "8", "x"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    images.keep_only(&BTreeSet::from([8, 9]));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["8"]);
}
