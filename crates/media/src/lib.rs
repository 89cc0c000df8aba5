//! The content repository: files of our users, and copies of those of other servers.
//!
//! [`Media`] is all of it: [uploads](Media::upload), [downloads](Media::download), [thumbnails](Media::thumbnail), and what
//! [other servers](transport::questions::MediaQuestions) get. An [`Mxc`] names a file. Files lie in a folder, named by their
//! content; which id leads to which file stands in the database.
//!
//! **Invariant:** no name that anybody chose becomes a path.
//! **Invariant:** no file is ever whole in memory, but for thumbnails and the one image that is being decoded.
//! **Invariant:** nothing half-written is served: a row leads to a file only after that file is on disk.

mod cleaning;
mod disposition;
mod download;
mod error;
mod files;
mod flights;
pub mod limits;
mod mxc;
mod remote;
mod repository;
mod served;
mod thumbnail;
mod upload;

pub use disposition::disposition;
pub use download::{OpenFile, Reach};
pub use error::{FileError, MediaError};
pub use mxc::{InvalidMxc, Mxc};
pub use repository::{Media, MediaConfig};
pub use transport::questions::{Motion, ThumbnailMethod, ThumbnailQuestion};
pub use upload::{Description, Unused};

#[cfg(test)]
mod tests;
