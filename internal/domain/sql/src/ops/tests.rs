mod beyond;
mod forgetting;
mod having;
mod joins;
mod recommendations;
mod screen;
mod shapes;
mod windows;
mod world;

pub(super) use world::Memory;
