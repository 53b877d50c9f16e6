//! Notes in the request log how the body of a file ended.

use std::sync::{Arc, OnceLock};

use axum::{body::Body, http::header, response::Response};
use futures::{TryStreamExt, stream};

use crate::{
    request_log::{Ended, Sent},
    state::State,
};

/// The number of a request in the log, once it has one.
pub(crate) type Number = Arc<OnceLock<u64>>;

/// Whether a fault cuts the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsCut {
    No,
    Yes,
}

/// The same answer, whose body tells the log how it ended.
pub(crate) fn counted(
    response: Response,
    state: &Arc<State>,
    number: Number,
    is_cut: IsCut,
) -> Response {
    let (parts, body) = response.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let counter = Counter {
        state: Arc::clone(state),
        number,
        is_cut,
        length,
        bytes: 0,
        is_whole: false,
    };
    let state = (body.into_data_stream(), counter);
    let bytes = stream::try_unfold(state, |(mut bytes, mut counter)| async move {
        match bytes.try_next().await {
            Ok(Some(chunk)) => {
                counter.bytes += chunk.len() as u64;
                Ok(Some((chunk, (bytes, counter))))
            }
            Ok(None) => {
                counter.finish();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    });
    Response::from_parts(parts, Body::from_stream(bytes))
}

/// Counts a body; tells the log when it is dropped, at its end or before.
struct Counter {
    state: Arc<State>,
    number: Number,
    is_cut: IsCut,
    /// What the head promised; nobody asks for more than that.
    length: Option<u64>,
    bytes: u64,
    is_whole: bool,
}

impl Counter {
    fn finish(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let is_whole = self.is_whole || self.length == Some(self.bytes);
        let ended = match (self.is_cut, is_whole) {
            (IsCut::Yes, _) => Ended::Cut,
            (IsCut::No, true) => Ended::Whole,
            (IsCut::No, false) => Ended::Gone,
        };
        let sent = Sent { bytes: self.bytes, ended };
        if let Some(number) = self.number.get() {
            self.state.log().ended(*number, sent);
        }
    }
}
