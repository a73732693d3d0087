mod call;
mod logs;
mod trace;
