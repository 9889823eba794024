//! The last step: a container that does not let its own programs do what runs one, or whose programs are none.
