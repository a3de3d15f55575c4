//! Conversations as their owner sees them: made, listed, read, searched, summarised, with notes and files.
