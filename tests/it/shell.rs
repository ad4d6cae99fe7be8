//! The `discovery` command as a user of a fresh account runs it: no configuration, no variables but those of the test.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::scene::{Ran, Scene};

/// A command in a folder, which is its user's home, too.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discovery"));
    command
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var("PATH").unwrap())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Runs it.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Ran {
    command(folder).args(args).output().unwrap().into()
}

/// Runs it against a scene's stack, which is named by the environment; it must end with `status`.
pub(crate) fn expect(scene: &Scene, status: i32, args: &[&str]) -> Ran {
    let folder = scene.file("");
    let ran: Ran = tokio::task::block_in_place(|| {
        command(&folder).args(args).env("DISCOVERY_STACK", scene.stack.file()).output().unwrap().into()
    });
    assert_eq!(ran.status, status, "{args:?}: {ran:?}");
    ran
}
