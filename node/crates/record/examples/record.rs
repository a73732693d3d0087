//! Records a command into a file: `record FILE COMMAND [ARGUMENT…]`.
//!
//! For trying the recorder by hand, and for `tests/foreign_asciicast.mjs`.

use std::env;
use std::error::Error;
use std::fs::File;
use std::process::ExitCode;
use std::time::SystemTime;

use lucid_record::{RecordOptions, record};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().ok_or("usage: record FILE COMMAND [ARGUMENT…]")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut options = RecordOptions::new(arguments, now);
    options.capture_input = env::var_os("CAPTURE_INPUT").is_some();
    let outcome = record(options, &mut File::create(file)?)?;
    Ok(ExitCode::from(u8::try_from(outcome.status.code())?))
}
