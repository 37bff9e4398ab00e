//! Carrying out, over nodes that do what each test needs: slow, broken, unlike, endless.

mod fake;
mod pure;
mod reads;
mod real;
mod writes;
