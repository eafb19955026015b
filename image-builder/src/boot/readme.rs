//! The README of `CONFIG`: what a person sees who puts the card into an office PC.

use crate::board::Board;

pub(super) const NAME: &str = "README.txt";

/// In Japanese and English, for Notepad: lines end with CR LF, and a mark tells that it is UTF-8.
pub(super) fn text(board: &Board, version: &str) -> Vec<u8> {
    let text = format!(
        "\u{feff}Tasuki {version} - {title}

このカードはテレワーク中継装置の起動カードです。
ボードの設定ファイル（「tasuki node add」が作る .node.toml）を、
この場所に「node.toml」という名前で置いてから、カードをボードに挿して電源を入れてください。
設定ファイルに誤りがあると、起動後にこの場所に ERROR.txt が作られ、
どの行が間違っているかが書かれます。
そのほかのファイルは変更しないでください。フォーマットもしないでください。
node.toml は秘密のファイルです。人に渡さないでください。

This card starts a telework relay board.
Put the board's node file (the .node.toml that \"tasuki node add\" writes) here,
named \"node.toml\", then put the card into the board and switch it on.
If something is wrong with the file, a file ERROR.txt appears here after the start
and says which line it is.
Leave the other files as they are, and do not format the card.
node.toml is a secret: whoever has it can pretend to be this board.

Board: {name} ({title})
Version: {version}
",
        title = board.title,
        name = board.name,
    );
    text.replace('\n', "\r\n").into_bytes()
}
