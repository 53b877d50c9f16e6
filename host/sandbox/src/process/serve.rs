//! The host's side of a guest's calls that come out of a child: the very code that serves
//! guests of this process, behind the very grants.
//!
//! In this process, what is not granted is not linked. A child may have been taken over, so
//! here each call is checked against the grants again.

use wasmtime::{Result, bail, component::Resource};

use super::{
    frame::framed,
    message::{Ask, Column, Hand},
    wire::Wire,
};
use crate::{
    bindings::wit::{
        artifacts::{Host as _, HostWriter as _},
        batches::{Host as _, HostBatch as _},
        bodies::Host as _,
        clock::Host as _,
        cohorts::Host as _,
        keyed_hash::Host as _,
        outbound_http::Host as _,
        projection::Host as _,
        state::Host as _,
        telemetry::Host as _,
    },
    context::Context,
};

/// The frame that answers `ask`.
///
/// # Errors
///
/// What would have made a guest of this process trap; and what is not granted, which no
/// guest can ask, only a child that is not what we started.
pub(crate) async fn serve(context: &mut Context, ask: Ask) -> Result<Vec<u8>> {
    if let Some(interface) = ask.interface()
        && !context.grants.grants(interface)
    {
        bail!("a child asked for `{interface}`, which is not granted");
    }
    match ask {
        Ask::Column { column, of } => self::column(context, column, of),
        Ask::KindNames => answer(&context.kind_names()?),
        Ask::Bodies { of, start, count } => {
            answer(&context.read(lent(of), start, count)?)
        }
        Ask::Clock(Hand::Monotonic) => answer(&context.monotonic_ms()?),
        Ask::Clock(Hand::Wall) => answer(&context.wall_ms()?),
        Ask::Cohort { of, cohort } => answer(&context.test(lent(of), cohort)?),
        Ask::Commit(writer) => answer(&context.commit(Resource::new_own(writer)).await?),
        Ask::Count { metric, delta } => answer(&context.count(metric, delta)?),
        Ask::Create { store, name, compression, digest } => {
            let made = context.create(store, name, compression, digest).await?;
            answer(&made.map(|writer| writer.rep()))
        }
        Ask::DropWriter(writer) => answer(
            &crate::bindings::wit::artifacts::HostWriter::drop(
                context,
                Resource::new_own(writer),
            )
            .await?,
        ),
        Ask::Event { level, code, fields } => {
            answer(&context.event(level, code, fields)?)
        }
        Ask::Field { of, field } => answer(&context.text(lent(of), field).await?),
        Ask::Gauge { metric, value } => answer(&context.gauge(metric, value)?),
        Ask::Hash { key, values } => answer(&context.hmac(key, values).await?),
        Ask::Random(len) => {
            answer(&crate::bindings::wit::random::Host::get(context, len)?)
        }
        Ask::Send { destination, head, body } => {
            answer(&context.send(destination, head, body).await?)
        }
        Ask::SendRecords { destination, head, of, which, framing } => {
            let sent = context.send_records(destination, head, lent(of), which, framing);
            answer(&sent.await?)
        }
        Ask::StateDelete(key) => answer(&context.delete(key).await?),
        Ask::StateGet(key) => {
            answer(&crate::bindings::wit::state::Host::get(context, key).await?)
        }
        Ask::StateSet { key, value } => answer(&context.set(key, value).await?),
        Ask::Write { writer, bytes } => {
            answer(&context.write(lent(writer), bytes).await?)
        }
        Ask::WriteRecords { writer, of, which, framing } => {
            let added =
                context.write_records(lent(writer), lent(of), which, framing).await?;
            answer(&added)
        }
    }
}

fn column(context: &mut Context, column: Column, of: u32) -> Result<Vec<u8>> {
    match column {
        Column::Attempt => answer(&context.attempt(lent(of))?),
        Column::ByteLen => answer(&context.byte_len(lent(of))?),
        Column::ByteLens => answer(&context.byte_lens(lent(of))?),
        Column::Changes => answer(&context.changes(lent(of))?),
        Column::Id => answer(&context.id(lent(of))?),
        Column::Kinds => answer(&context.kinds(lent(of))?),
        Column::LastUpdated => answer(&context.last_updated(lent(of))?),
        Column::Len => answer(&context.len(lent(of))?),
        Column::Seqs => answer(&context.seqs(lent(of))?),
    }
}

/// A handle as the child names it: whether there is such a one, the guest's own table says.
fn lent<T: 'static>(number: u32) -> Resource<T> {
    Resource::new_borrow(number)
}

fn answer(value: &impl Wire) -> Result<Vec<u8>> {
    Ok(framed(value)?)
}
