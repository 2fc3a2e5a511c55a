//! What is promised of files.
