//! Log lines for people: `warning: x.iso: tracker failed url=… reason=…`.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Writer, debug_fn},
    },
    registry::{LookupSpan, Scope},
};

/// Formats events; with [`ForPeopleFields`], which formats what is in them.
pub(crate) struct ForPeople {
    /// The time of day, in UTC.
    pub(crate) has_time: bool,
}

impl<S, F> FormatEvent<S, F> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.has_time {
            write!(writer, "{} ", time_of_day(SystemTime::now()))?;
        }
        write_level(&mut writer, *event.metadata().level())?;
        let spans = context.event_scope().map(Scope::from_root);
        for span in spans.into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<F>>();
            if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                write!(writer, "{fields}: ")?;
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn write_level(writer: &mut Writer<'_>, level: Level) -> fmt::Result {
    let (colour, name) = match level {
        Level::ERROR => ("31", "error:"),
        Level::WARN => ("33", "warning:"),
        _ => return Ok(()),
    };
    if writer.has_ansi_escapes() {
        write!(writer, "\x1b[{colour}m{name}\x1b[0m ")
    } else {
        write!(writer, "{name} ")
    }
}

/// A torrent is known to people by its name, not by its hash.
pub(crate) struct ForPeopleFields;

impl<'writer> FormatFields<'writer> for ForPeopleFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let write = debug_fn(|writer, field, value| match field.name() {
            // Which is the first in an event; the name is in a span.
            "message" => write!(writer, "{value:?}"),
            "name" => write!(writer, "{}", unquoted(&format!("{value:?}"))),
            "info_hash" => Ok(()),
            key => write!(writer, " {key}={value:?}"),
        });
        write.format_fields(writer, fields)
    }
}

fn unquoted(text: &str) -> &str {
    let inside = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inside.unwrap_or(text)
}

/// `14:59:46Z`: a log that is kept longer than a day has dates of its own.
fn time_of_day(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()) % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tracing::{error, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn check(is_coloured: bool, log: impl FnOnce(), expected: &str) {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(is_coloured)
            .event_format(ForPeople { has_time: false })
            .fmt_fields(ForPeopleFields)
            .with_writer({
                let lines = lines.clone();
                move || lines.clone()
            });
        tracing::subscriber::with_default(subscriber.finish(), log);
        let written = lines.0.lock().unwrap().clone();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_line_says_how_bad_it_is_and_of_what_torrent() {
        let log = || {
            let (url, reason) = ("udp://t:1", "no answer");
            let _torrent = info_span!("torrent", name = "x y.iso", info_hash = %"abc").entered();
            warn!(%url, %reason, "tracker failed");
            info!(%url, seeders = Some(3_u32), leechers = None::<u32>, "tracker answered");
        };
        let expected = "\
warning: x y.iso: tracker failed url=udp://t:1 reason=no answer
x y.iso: tracker answered url=udp://t:1 seeders=3
";
        check(false, log, expected);
    }

    #[test]
    fn without_a_torrent_and_in_colours() {
        check(
            true,
            || error!(port = 7, "lost"),
            "\x1b[31merror:\x1b[0m lost port=7\n",
        );
        check(true, || info!(port = 7, "listening"), "listening port=7\n");
    }

    #[test]
    fn the_time_of_day_says_where_it_is_that_time() {
        let at = |seconds| time_of_day(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "00:00:00Z");
        assert_eq!(at(86_400 * 400 + 3600 + 61), "01:01:01Z");
        assert_eq!(at(86_399), "23:59:59Z");
    }
}
