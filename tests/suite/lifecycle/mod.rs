//! The life of a process: it takes over from the one before, bears floods and slow clients, and ends without cutting
//! anyone short.

mod flood;
mod load;
mod slow_clients;
mod stop;
mod take_over;
