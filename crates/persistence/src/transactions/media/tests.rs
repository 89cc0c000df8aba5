//! What is forgotten with what.

use super::*;
use crate::Database;

fn content(hash: &str) -> Content {
    Content { hash: hash.to_owned(), bytes: 10, content_type: "image/png".to_owned(), file_name: None }
}

fn remote_id(media_id: &str) -> RemoteId {
    RemoteId { origin: ServerName::parse("b.test").unwrap(), media_id: media_id.to_owned() }
}

fn thumbnail_of(of: &str, width: u32, hash: &str) -> Thumbnail {
    let content_type = "image/png".to_owned();
    Thumbnail {
        of: of.to_owned(),
        width,
        height: 1,
        variant: "scale".to_owned(),
        hash: hash.to_owned(),
        bytes: 1,
        content_type,
    }
}

async fn write<T: Send + 'static>(
    database: &Database,
    work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    database.write(work).await.unwrap()
}

#[tokio::test]
async fn a_file_goes_with_the_last_id_that_leads_to_it_and_takes_its_thumbnails_along() {
    let database = Database::open_inline(None).unwrap();
    let freed = write(&database, |tx| {
        put_remote(tx, &remote_id("1"), 1, &content("aa"))?;
        put_remote(tx, &remote_id("2"), 2, &content("aa"))?;
        put_thumbnail(tx, &thumbnail_of("aa", 32, "t1"), 1, 9)?;
        // The thumbnail of another file that looks the same.
        put_remote(tx, &remote_id("3"), 3, &content("bb"))?;
        put_thumbnail(tx, &thumbnail_of("bb", 32, "t2"), 1, 9)?;
        put_thumbnail(tx, &thumbnail_of("aa", 96, "t2"), 1, 9)?;
        let first = delete_remote(tx, &remote_id("1"))?;
        let last = delete_remote(tx, &remote_id("2"))?;
        Ok((first, last, delete_remote(tx, &remote_id("2"))?, cached_bytes(tx)?, hashes_between(tx, "a", "zz")?))
    });
    let expected: (Vec<String>, _, Vec<String>, _, _) =
        (vec![], vec!["t1".to_owned(), "aa".to_owned()], vec![], 10, vec!["bb".to_owned(), "t2".to_owned()]);
    assert_eq!(freed.await, expected);
}

#[tokio::test]
async fn the_oldest_thumbnail_makes_room_for_a_new_one() {
    let database = Database::open_inline(None).unwrap();
    let freed = write(&database, |tx| {
        put_remote(tx, &remote_id("1"), 1, &content("aa"))?;
        let mut freed = Vec::new();
        for made_at in 0..4_u32 {
            let hash = format!("t{made_at}");
            freed.extend(put_thumbnail(tx, &thumbnail_of("aa", 32 + made_at, &hash), i64::from(made_at), 2)?);
        }
        Ok((freed, thumbnail(tx, "aa", 34, 1, "scale")?.is_some(), thumbnail(tx, "aa", 33, 1, "scale")?.is_some()))
    });
    assert_eq!(freed.await, (vec!["t0".to_owned(), "t1".to_owned()], true, false));
}

#[tokio::test]
async fn a_thumbnail_of_a_file_that_has_gone_is_not_kept() {
    let database = Database::open_inline(None).unwrap();
    let freed = write(&database, |tx| put_thumbnail(tx, &thumbnail_of("aa", 32, "t"), 0, 2));
    assert_eq!(freed.await, ["t"]);
}

#[tokio::test]
async fn content_comes_once_and_in_time() {
    let database = Database::open_inline(None).unwrap();
    let seen = write(&database, |tx| {
        let user = UserId::parse("@u:a.test").unwrap();
        put_pending(tx, "one", &user, 0, 10)?;
        put_pending(tx, "two", &user, 0, 20)?;
        let pending = (pending_of(tx, &user, 9)?, pending_of(tx, &user, 10)?);
        let completed = (complete(tx, "one", &content("aa"))?, complete(tx, "one", &content("bb"))?);
        let expired = delete_expired(tx, 20)?;
        let content = local(tx, "one")?.and_then(|local| local.content);
        Ok((pending, completed, expired, content, local(tx, "two")?))
    });
    let (pending, completed, expired, kept, gone) = seen.await;
    assert_eq!(pending, ((2, Some(10)), (1, Some(20))));
    assert_eq!((completed, expired), ((true, false), 1));
    assert_eq!((kept, gone), (Some(content("aa")), None));
}
