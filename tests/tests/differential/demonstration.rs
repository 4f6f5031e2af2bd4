//! The demonstration on both databases.

use std::path::Path;
use std::process::Command;

use tests::binary;
use tests::postgres::Server;

/// The demonstration runs through every loop; the page it prints counts what came of it.
#[tokio::test]
async fn the_demonstration_prints_the_same_page_on_both() {
    let demo = |store: &Path, url: Option<&str>| {
        let mut command = Command::new(binary());
        command.args(["demo", "--lang", "zh"]).env_remove("BIHUAN_STORE").env_remove("DATABASE_URL");
        match url {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.arg("--folder").arg(store),
        };
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let url = Server::shared().await.database().await;
    let (file, server) = (demo(folder.path(), None), demo(folder.path(), Some(&url)));
    let place = folder.path().join("bihuan.db").display().to_string();
    assert!(file.contains(&place));
    assert_eq!(server, file.replace(&place, &format!("'{url}'")));
}
