mod recommendations;
mod shapes;
mod world;
