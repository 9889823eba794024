//! What each of nsenter's options does, the same under cnsenter. How options are spelled belongs in `spellings`, what
//! nsenter does badly in `defects`, signals and waiting in `process`.

mod credentials;
mod folders;
mod kernels;
mod namespaces;
mod program;
