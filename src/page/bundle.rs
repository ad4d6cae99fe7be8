//! The page's files, as written and as made by `make page` (`page/README.md`), compiled in: users need neither a browser's tools
//! nor a network.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use axum::body::Body;

/// A file: its path in the URL, its media type, whether it is packed, its octets.
struct File {
    path: &'static str,
    media_type: &'static str,
    gzip: bool,
    octets: &'static [u8],
}

macro_rules! file {
    ($path:literal, $name:literal, $media_type:literal, $gzip:literal) => {
        File {
            path: $path,
            media_type: $media_type,
            gzip: $gzip,
            octets: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/", $name)),
        }
    };
}

const FILES: &[File] = &[
    file!("/", "static/index.html", "text/html; charset=utf-8", false),
    file!("/style.css", "static/style.css", "text/css; charset=utf-8", false),
    file!("/icon.svg", "static/icon.svg", "image/svg+xml", false),
    file!("/app.js", "static/app.js", "text/javascript; charset=utf-8", false),
    file!("/api.js", "static/api.js", "text/javascript; charset=utf-8", false),
    file!("/path.js", "static/path.js", "text/javascript; charset=utf-8", false),
    file!("/views.js", "static/views.js", "text/javascript; charset=utf-8", false),
    file!("/enroll.js", "static/enroll.js", "text/javascript; charset=utf-8", false),
    file!("/dom.js", "static/dom.js", "text/javascript; charset=utf-8", false),
    file!("/page.js", "dist/page.js", "text/javascript; charset=utf-8", false),
    file!("/page_bg.wasm", "dist/page_bg.wasm.gz", "application/wasm", true),
];

/// The file at `path`, if there is one.
pub(super) fn file(path: &str) -> Option<Response<Body>> {
    let file = FILES.iter().find(|file| file.path == path)?;
    let mut response = Response::new(Body::from(file.octets));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    if file.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}
