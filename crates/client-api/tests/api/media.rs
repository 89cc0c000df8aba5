//! Files of our own users.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{future, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RANGE};
use http::{Method, Request};
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use simulation::FILE_BYTES_MAX;

use crate::harness::{Answer, Server, server};

/// A request with a body that is no JSON.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(body).unwrap()).await
}

/// Uploads, and returns `server/id`.
pub(crate) async fn upload(server: &Server, token: &str, content_type: &str, query: &str, content: &[u8]) -> String {
    let path = format!("/_matrix/media/v3/upload{query}");
    let body = Body::from(content.to_vec());
    let uploaded = send(server, Method::POST, &path, token, &[("content-type", content_type)], body).await.ok();
    place(&uploaded)
}

fn place(uploaded: &Value) -> String {
    uploaded["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap().to_owned()
}

pub(crate) async fn download(server: &Server, token: &str, place: &str) -> Answer {
    server.get(&format!("v1/media/download/{place}"), token).await
}

fn header(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> &str {
    headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test(start_paused = true)]
async fn what_is_uploaded_comes_back_with_the_headers_that_keep_it_harmless() {
    let server = server().await;
    let token = server.register("alice").await;
    let place = upload(&server, &token, "image/png", "?filename=a%20%22b%22.png", b"content").await;
    assert!(place.starts_with("a.test/"));
    let answer = download(&server, &token, &place).await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &b"content"[..]));
    for (name, expected) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"a \\\"b\\\".png\""),
        (
            "content-security-policy",
            "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; \
             object-src 'self';",
        ),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
        ("content-length", "7"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(header(&answer.headers, name), expected, "{name}");
    }
    let renamed = download(&server, &token, &format!("{place}/c%0D%0A%C3%A9.html")).await;
    assert_eq!(header(&renamed.headers, CONTENT_DISPOSITION), "inline; filename*=utf-8''c%0D%0A%C3%A9.html");
}

#[tokio::test(start_paused = true)]
async fn what_could_do_harm_is_an_attachment_and_a_type_that_is_none_is_not_passed_on() {
    let server = server().await;
    let token = server.register("alice").await;
    for (sent, content_type, disposition) in [
        ("text/html", "text/html", "attachment"),
        ("image/svg+xml", "image/svg+xml", "attachment"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8", "inline"),
        ("nonsense", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ] {
        let place = upload(&server, &token, sent, "", b"x").await;
        let answer = download(&server, &token, &place).await;
        let found = (header(&answer.headers, CONTENT_TYPE), header(&answer.headers, CONTENT_DISPOSITION));
        assert_eq!(found, (content_type, disposition), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_files_are_served() {
    let server = server().await;
    let token = server.register("alice").await;
    let place = upload(&server, &token, "video/mp4", "", b"0123456789").await;
    let path = format!("/_matrix/client/v1/media/download/{place}");
    for (range, status, content, said) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=20-", 416, "", "bytes */10"),
        ("lines=1", 200, "0123456789", ""),
    ] {
        let answer = send(&server, Method::GET, &path, &token, &[(RANGE.as_str(), range)], Body::empty()).await;
        assert_eq!((answer.status, &answer.bytes[..]), (status, content.as_bytes()), "{range}");
        assert_eq!(header(&answer.headers, "content-range"), said);
        assert_eq!(header(&answer.headers, CONTENT_LENGTH), content.len().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn content_may_come_after_its_id() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let created = send(&server, Method::POST, "/_matrix/media/v1/create", &alice, &[], Body::empty()).await.ok();
    let expected = server.handles.clock.now() + 24 * 3600 * 1000;
    assert_eq!(created["unused_expires_at"], expected);
    let place = place(&created);
    let early = download(&server, &alice, &format!("{place}?timeout_ms=100")).await;
    assert_eq!(early.error(), (504, "M_NOT_YET_UPLOADED"));

    let path = format!("/_matrix/media/v3/upload/{place}?filename=late.txt");
    let put = async |token: &str, path: &str| {
        send(&server, Method::PUT, path, token, &[("content-type", "text/plain")], Body::from("late")).await
    };
    assert_eq!(put(&bob, &path).await.error(), (403, "M_FORBIDDEN"));
    let unknown = "/_matrix/media/v3/upload/a.test/unknown";
    assert_eq!(put(&alice, unknown).await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(put(&alice, "/_matrix/media/v3/upload/b.test/x").await.error(), (404, "M_NOT_FOUND"));
    // Whoever waits is answered as soon as it is there: long before the minute that it would wait.
    let waiting = format!("{place}?timeout_ms=60000");
    let (began, clock) = (server.handles.clock.monotonic(), &server.handles.clock);
    let later = async {
        clock.sleep(Duration::from_secs(1)).await;
        put(&alice, &path).await
    };
    let (waited, uploaded) = future::join(download(&server, &bob, &waiting), later).await;
    assert_eq!(uploaded.ok(), json!({}));
    assert_eq!((waited.status, &waited.bytes[..]), (200, &b"late"[..]));
    assert_eq!(header(&waited.headers, CONTENT_DISPOSITION), "inline; filename=\"late.txt\"");
    assert!(clock.monotonic() - began < Duration::from_secs(10));
    assert_eq!(put(&alice, &path).await.error(), (409, "M_CANNOT_OVERWRITE_MEDIA"));
}

#[tokio::test(start_paused = true)]
async fn ids_without_content_are_few_and_expire() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let create =
        async |token: &str| send(&server, Method::POST, "/_matrix/media/v1/create", token, &[], Body::empty()).await;
    let first = place(&create(&alice).await.ok());
    for _ in 1..media::limits::UNUSED_PER_USER_MAX {
        create(&alice).await.ok();
    }
    let refused = create(&alice).await;
    assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
    assert!(refused.body["retry_after_ms"].as_u64().unwrap() > 0);
    create(&bob).await.ok();
    server.handles.clock.sleep(media::limits::UNUSED_LIFETIME).await;
    let path = format!("/_matrix/media/v3/upload/{first}");
    let late = send(&server, Method::PUT, &path, &alice, &[], Body::from("late")).await;
    assert_eq!(late.error(), (404, "M_NOT_FOUND"));
    assert_eq!(download(&server, &alice, &first).await.error(), (404, "M_NOT_FOUND"));
    create(&alice).await.ok();
}

#[tokio::test(start_paused = true)]
async fn too_much_is_refused_whether_announced_or_not() {
    let server = server().await;
    let token = server.register("alice").await;
    let large = usize::try_from(FILE_BYTES_MAX).unwrap() + 1;
    let config = server.get("v1/media/config", &token).await.ok();
    assert_eq!(config, json!({ "m.upload.size": FILE_BYTES_MAX }));
    assert_eq!(send(&server, Method::GET, "/_matrix/media/v3/config", &token, &[], Body::empty()).await.ok(), config);
    let path = "/_matrix/media/v3/upload";
    let length = large.to_string();
    // What is announced is refused before any of it is read.
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let announced = send(&server, Method::POST, path, &token, &[("content-length", &length)], never).await;
    assert_eq!(announced.error(), (413, "M_TOO_LARGE"));
    let pieces = stream::iter((0..4).map(move |_| Ok::<_, std::io::Error>(Bytes::from(vec![0; large / 4 + 1]))));
    let unannounced = send(&server, Method::POST, path, &token, &[], Body::from_stream(pieces)).await;
    assert_eq!(unannounced.error(), (413, "M_TOO_LARGE"));
    upload(&server, &token, "image/png", "", &vec![0; large - 1]).await;
}

#[tokio::test(start_paused = true)]
async fn uploads_that_lie_about_their_length_or_break_off_or_stall_are_refused() {
    let server = server().await;
    let token = server.register("alice").await;
    let path = "/_matrix/media/v3/upload";
    let short = send(&server, Method::POST, path, &token, &[("content-length", "10")], Body::from("short")).await;
    assert_eq!(short.error(), (400, "M_UNKNOWN"));
    let broken = stream::iter([Ok(Bytes::from("some")), Err(std::io::Error::other("cut"))]);
    let broken = send(&server, Method::POST, path, &token, &[], Body::from_stream(broken)).await;
    assert_eq!(broken.error(), (400, "M_UNKNOWN"));
    let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let stalled = send(&server, Method::POST, path, &token, &[], stalled).await;
    assert_eq!(stalled.error(), (408, "M_UNKNOWN"));
    let long_name = format!("{path}?filename={}", "x".repeat(media::limits::FILE_NAME_BYTES_MAX + 1));
    let long_name = send(&server, Method::POST, &long_name, &token, &[], Body::from("x")).await;
    assert_eq!(long_name.error(), (400, "M_INVALID_PARAM"));
}

#[tokio::test(start_paused = true)]
async fn names_that_climb_out_of_the_folder_are_no_names() {
    let server = server().await;
    let token = server.register("alice").await;
    for place in
        ["a.test/..%2F..%2Falthing.db", "a.test/..", "..%2F..%2Fx/id", "a.test/a.b", "a.test/%00", "a.test/a%5Cb"]
    {
        assert_eq!(download(&server, &token, place).await.error(), (400, "M_INVALID_PARAM"), "{place}");
    }
    assert_eq!(download(&server, &token, "a.test/unknown").await.error(), (404, "M_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_to_be_had_without_a_token_or_from_the_old_endpoints() {
    let server = server().await;
    let token = server.register("alice").await;
    let place = upload(&server, &token, "image/png", "", &png(10, 10)).await;
    for path in [
        format!("v1/media/download/{place}"),
        format!("v1/media/download/{place}/name.png"),
        format!("v1/media/thumbnail/{place}?width=1&height=1"),
        "v1/media/config".to_owned(),
    ] {
        assert_eq!(server.get(&path, "").await.error(), (401, "M_MISSING_TOKEN"), "{path}");
    }
    for path in [
        format!("/_matrix/media/v3/download/{place}"),
        format!("/_matrix/media/v3/download/{place}/name.png"),
        format!("/_matrix/media/v3/thumbnail/{place}?width=1&height=1"),
    ] {
        let frozen = send(&server, Method::GET, &path, &token, &[], Body::empty()).await;
        assert_eq!(frozen.error(), (404, "M_NOT_FOUND"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn thumbnails_are_as_large_as_was_asked_for_and_never_larger_than_the_image() {
    let server = server().await;
    let token = server.register("alice").await;
    let place = upload(&server, &token, "image/png", "", &png(400, 300)).await;
    for (query, expected) in [
        ("width=30&height=30&method=crop", (32, 32)),
        ("width=320&height=240&method=scale", (320, 240)),
        ("width=96&height=96", (128, 96)),
        ("width=800&height=600", (400, 300)),
        // A second time, from what was kept.
        ("width=30&height=30&method=crop", (32, 32)),
    ] {
        let answer = server.get(&format!("v1/media/thumbnail/{place}?{query}"), &token).await;
        assert_eq!(answer.status, 200, "{query}");
        let image = image::load_from_memory(&answer.bytes).unwrap();
        assert_eq!((image.width(), image.height()), expected, "{query}");
        assert!(header(&answer.headers, CONTENT_TYPE).starts_with("image/"));
        assert!(header(&answer.headers, CONTENT_DISPOSITION).starts_with("inline"));
    }
}

#[tokio::test(start_paused = true)]
async fn thumbnails_that_cannot_be_are_refused_as_the_specification_says() {
    let server = server().await;
    let token = server.register("alice").await;
    let image = upload(&server, &token, "image/png", "", &png(10, 10)).await;
    let text = upload(&server, &token, "image/png", "", b"no image at all").await;
    let bomb = upload(&server, &token, "image/png", "", &png(50_000, 1)).await;
    for (place, query, expected) in [
        (&image, "height=1", (400, "M_MISSING_PARAM")),
        (&image, "width=1", (400, "M_MISSING_PARAM")),
        (&image, "width=1.5&height=1", (400, "M_INVALID_PARAM")),
        (&image, "width=-1&height=1", (400, "M_INVALID_PARAM")),
        (&image, "width=0&height=1", (400, "M_INVALID_PARAM")),
        (&image, "width=1&height=1&method=stretch", (400, "M_INVALID_PARAM")),
        (&image, "width=1&height=1&animated=maybe", (400, "M_INVALID_PARAM")),
        (&text, "width=1&height=1", (400, "M_UNKNOWN")),
        (&bomb, "width=1&height=1", (413, "M_TOO_LARGE")),
    ] {
        let answer = server.get(&format!("v1/media/thumbnail/{place}?{query}"), &token).await;
        assert_eq!(answer.error(), expected, "{query}");
    }
}

/// A client that finds neither asks the old endpoints, which give out no files.
#[tokio::test(start_paused = true)]
async fn clients_are_told_that_files_need_a_token() {
    let server = server().await;
    let token = server.register("alice").await;
    let versions = server.ask(Method::GET, "versions", &token, json!({})).await.ok();
    assert!(versions["versions"].as_array().unwrap().contains(&json!("v1.11")));
    assert_eq!(versions["unstable_features"]["org.matrix.msc3916.stable"], json!(true));
}
