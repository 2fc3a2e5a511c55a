//! `doorward lsp`: what an editor asks while rules are written. Faults as one types, what a word means, where
//! it is defined, what could stand here, how a fault is mended, one layout.
//!
//! Called by `cli`, speaks the Language Server Protocol over stdin and stdout (`lsp-server` frames it). A file
//! belongs to the tree of the nearest `main.vcl` that includes it, else it is a tree of its own; what is open
//! in the editor counts instead of what lies on disk. Promises: nothing is written but what the editor asks to
//! be formatted, and that by the editor itself; a text that makes no sense is answered with nothing, never
//! with the end of the server. It holds no rule of the language: all it says comes from its tables.

mod answers;
mod cursor;
mod documents;
mod place;
mod symbols;

use std::error::Error;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentSymbolRequest, Formatting, GotoDefinition, HoverRequest,
    Request as _,
};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CompletionOptions, HoverProviderCapability, InitializeParams, OneOf,
    PositionEncodingKind, PublishDiagnosticsParams, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::answers::Desk;
use self::place::Encoding;

/// Serves one editor until it says goodbye.
pub fn serve() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (connection, threads) = Connection::stdio();
    talk(&connection)?;
    drop(connection);
    threads.join()?;
    Ok(())
}

/// From the first word to the last.
pub fn talk(connection: &Connection) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (id, asked) = connection.initialize_start()?;
    let asked: InitializeParams = serde_json::from_value(asked)?;
    let encoding = encoding(&asked);
    let capabilities = serde_json::to_value(capabilities(encoding))?;
    connection.initialize_finish(
        id,
        serde_json::json!({
            "capabilities": capabilities,
            "serverInfo": { "name": "doorward", "version": env!("CARGO_PKG_VERSION") },
        }),
    )?;
    let mut desk = Desk::new(encoding);
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(());
                }
                connection.sender.send(Message::Response(answer(&mut desk, request)))?;
            }
            Message::Notification(notification) => {
                for about in learn(&mut desk, notification) {
                    let told = Notification::new(PublishDiagnostics::METHOD.to_owned(), about);
                    connection.sender.send(Message::Notification(told))?;
                }
            }
            Message::Response(_) => {}
        }
    }
    Ok(())
}

/// Bytes where the editor can count them; else what the protocol began with.
fn encoding(asked: &InitializeParams) -> Encoding {
    let offered = asked.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_ref());
    if offered.is_some_and(|offered| offered.contains(&PositionEncodingKind::UTF8)) {
        Encoding::Utf8
    } else {
        Encoding::Utf16
    }
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(match encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(
            CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            }
            .into(),
        ),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_owned(), "=".to_owned(), "(".to_owned(), "~".to_owned()]),
            ..CompletionOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}

fn answer(desk: &mut Desk, request: Request) -> Response {
    match request.method.as_str() {
        HoverRequest::METHOD => {
            reply(request, |asked: lsp_types::HoverParams| desk.hover(&asked.text_document_position_params))
        }
        GotoDefinition::METHOD => reply(request, |asked: lsp_types::GotoDefinitionParams| {
            desk.definition(&asked.text_document_position_params)
        }),
        Completion::METHOD => reply(request, |asked: lsp_types::CompletionParams| {
            desk.completions(&asked.text_document_position)
        }),
        DocumentSymbolRequest::METHOD => {
            reply(request, |asked: lsp_types::DocumentSymbolParams| desk.outline(&asked.text_document.uri))
        }
        Formatting::METHOD => reply(request, |asked: lsp_types::DocumentFormattingParams| {
            desk.formatted(&asked.text_document.uri)
        }),
        CodeActionRequest::METHOD => reply(request, |asked: lsp_types::CodeActionParams| {
            desk.mends(&asked.text_document.uri, asked.range)
        }),
        other => {
            let text = format!("this server does not answer {other}");
            Response::new_err(request.id, ErrorCode::MethodNotFound as i32, text)
        }
    }
}

fn reply<P: DeserializeOwned, A: Serialize>(request: Request, answer: impl FnOnce(P) -> A) -> Response {
    match serde_json::from_value(request.params) {
        Ok(asked) => Response::new_ok(request.id, answer(asked)),
        Err(error) => Response::new_err(request.id, ErrorCode::InvalidParams as i32, error.to_string()),
    }
}

/// Takes in what changed, and says what is now wrong, file by file.
fn learn(desk: &mut Desk, told: Notification) -> Vec<PublishDiagnosticsParams> {
    fn read<P: DeserializeOwned>(told: Notification) -> Option<P> {
        serde_json::from_value(told.params).ok()
    }
    match told.method.as_str() {
        DidOpenTextDocument::METHOD => {
            let Some(opened) = read::<lsp_types::DidOpenTextDocumentParams>(told) else { return Vec::new() };
            desk.documents.open(&opened.text_document.uri, opened.text_document.text);
            desk.faults(&opened.text_document.uri)
        }
        DidChangeTextDocument::METHOD => {
            let Some(changed) = read::<lsp_types::DidChangeTextDocumentParams>(told) else {
                return Vec::new();
            };
            let Some(last) = changed.content_changes.into_iter().next_back() else { return Vec::new() };
            desk.documents.open(&changed.text_document.uri, last.text);
            desk.faults(&changed.text_document.uri)
        }
        DidSaveTextDocument::METHOD => {
            let Some(saved) = read::<lsp_types::DidSaveTextDocumentParams>(told) else { return Vec::new() };
            desk.faults(&saved.text_document.uri)
        }
        DidCloseTextDocument::METHOD => {
            let Some(closed) = read::<lsp_types::DidCloseTextDocumentParams>(told) else {
                return Vec::new();
            };
            desk.documents.close(&closed.text_document.uri);
            desk.faults(&closed.text_document.uri)
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
