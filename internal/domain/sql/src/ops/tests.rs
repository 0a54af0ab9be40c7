mod beyond;
mod forgetting;
mod joins;
mod recommendations;
mod shapes;
mod windows;
mod world;

pub(super) use world::Memory;
