//! What lies on the disk, and when.

use futures_util::{FutureExt, StreamExt, future};

use super::*;
use crate::limits::CACHE_AGE_MAX;

#[tokio::test(start_paused = true)]
async fn equal_content_is_one_file_even_at_the_same_moment() {
    let repository = Repository::new().await;
    let content = vec![7; 90_000];
    let uploads = future::join_all((0..8).map(|_| repository.upload(&content))).await;
    assert_eq!(repository.files().len(), 1);
    for mxc in &uploads {
        assert!(repository.content(mxc).await == content);
    }
    assert_eq!(uploads.iter().collect::<std::collections::BTreeSet<_>>().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_interrupted_leaves_nothing() {
    let repository = Repository::new().await;
    let endless = stream::iter([Ok::<_, String>(Bytes::from(vec![1; 10]))]).chain(stream::pending());
    let user = user();
    let upload = repository.media.upload(&user, Description::default(), Box::pin(endless));
    let interrupted = tokio::select! {
        biased;
        done = upload => done.is_err(),
        () = repository.handles.clock.sleep(Duration::from_secs(1)) => true,
    };
    assert!(interrupted && repository.files().is_empty(), "{:?}", repository.files());
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_leaves_nothing() {
    let repository = Repository::new().await;
    for content in [
        stream::iter(vec![Ok(Bytes::from(vec![1; 50_001])), Ok(Bytes::from(vec![1; 50_000]))]),
        stream::iter(vec![Ok(Bytes::from(vec![1; 10])), Err("cut".to_owned())]),
    ] {
        assert!(repository.media.upload(&user(), Description::default(), content).await.is_err());
        assert_eq!(repository.files(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_behind_is_deleted_at_the_next_start() {
    let repository = Repository::new().await;
    let mxc = repository.upload(b"kept").await;
    let kept = repository.files();
    let folder = repository.folder.path();
    // A file that was placed but whose row was not committed, one that was being received, and one that is not ours.
    let orphan = "ab".repeat(32);
    std::fs::create_dir_all(folder.join("files/ab")).unwrap();
    std::fs::write(folder.join("files/ab").join(&orphan), "orphan").unwrap();
    std::fs::write(folder.join("incoming/99"), "half").unwrap();
    std::fs::write(folder.join("files/README"), "somebody's").unwrap();
    let repository = repository.restart().await;
    repository.media.delete_orphans().await.unwrap();
    let expected: Vec<_> = ["README".to_owned()].into_iter().chain(kept).collect();
    let mut files = repository.files();
    files.sort_unstable_by_key(|name| name.len());
    assert_eq!(files, expected);
    assert_eq!(repository.content(&mxc).await, b"kept");
}

#[tokio::test(start_paused = true)]
async fn copies_of_remote_files_fit_their_bound_and_the_least_used_go() {
    let repository = Repository::new().await;
    let ours = repository.upload(b"ours").await;
    for id in ["id1", "id2", "id3"] {
        repository.content(&remote(id)).await;
        repository.handles.clock.sleep(Duration::from_hours(25)).await;
    }
    // Used again, so that the second one is the oldest.
    repository.content(&remote("id1")).await;
    repository.handles.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(repository.files().len(), 4);
    assert_eq!(repository.content(&remote("id4")).await[..4], b"id4-"[..]);
    repository.media.drop_copies().await.unwrap();
    assert_eq!(repository.files().len(), 4);
    for (id, is_cached) in [("id1", true), ("id2", false), ("id3", true), ("id4", true)] {
        let (origin, media_id) = (remote(id).server().clone(), id.to_owned());
        let id = persistence::transactions::media::RemoteId { origin, media_id };
        assert_eq!(repository.media.cached(&id).await.unwrap().is_some(), is_cached, "{id:?}");
    }
    repository.handles.clock.sleep(CACHE_AGE_MAX + Duration::from_secs(1)).await;
    repository.media.drop_copies().await.unwrap();
    assert_eq!(repository.files().len(), 1);
    assert_eq!(repository.content(&ours).await, b"ours");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_lost_is_fetched_again_and_one_that_is_open_stays_readable() {
    let repository = Repository::new().await;
    let file = repository.media.download(&remote("id1"), None, Reach::Everywhere).await.unwrap();
    let lost = repository.files().pop().unwrap();
    std::fs::remove_file(repository.folder.path().join("files").join(&lost[..2]).join(&lost)).unwrap();
    assert_eq!(file.content(0..3).next().await.unwrap().unwrap(), "id1");
    assert_eq!(repository.content(&remote("id1")).await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn other_servers_get_only_what_is_ours() {
    let repository = Repository::new().await;
    repository.content(&remote("id1")).await;
    let refused = repository.media.download(&remote("id1"), None, Reach::Ours).now_or_never();
    assert!(matches!(refused, Some(Err(crate::MediaError::NotFound(_)))));
}
