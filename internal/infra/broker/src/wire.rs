//! Frames, and the shapes of the requests in them.

pub(crate) mod frame;
pub(crate) mod shape;
mod shapes;
#[cfg(test)]
mod tests;

pub(crate) use frame::{Frame, FrameError};
pub(crate) use shapes::{APIS, Api, find};
