//! What a node has said, in MongoDB too.
