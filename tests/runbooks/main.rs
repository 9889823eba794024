//! The pages of docs/runbooks, executed: every block of commands, against a scenario that has the page's fault, and its
//! output compared with what the page shows. The rules of a page belong here; the scenarios, one file each.
