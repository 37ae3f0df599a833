//! Rows as Parquet: a directory with one file per feed, its columns typed as those of the vendor.

use super::output::{Output, is_standard_output};
use crate::cli::exit::refuse;
use crate::cli::whole_file::WholeFile;
use crate::record::{Cell, Kind};
use crate::store::export::{Column, Export};
use anyhow::{Context, bail};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// A row group is as large as what is kept in memory: so many rows, or bytes of text, at most.
const GROUP_ROWS: usize = 10_000;
const GROUP_BYTES: usize = 32 << 20;

/// Writes a directory, feed by feed, from rows in the order of their keys; tells how many there were.
pub(super) fn write(export: &Export, output: &Output) -> anyhow::Result<u64> {
    if is_standard_output(&output.target) {
        return refuse("Parquet is a directory of files: name a new directory");
    }
    let directory = WholeFile::begin_directory(&output.target, output.database)?;
    let mut open: Option<Feed> = None;
    let count = export.each(|cells| {
        output.check_stop()?;
        add(&mut open, cells, &directory, &export.columns).with_context(|| output.told())
    })?;
    open.map_or(Ok(()), Feed::close).with_context(|| output.told())?;
    directory.finish()?;
    Ok(count)
}

/// Adds a row to the file of its feed; the one before is closed where this is another.
fn add(open: &mut Option<Feed>, cells: &[Cell], directory: &WholeFile, columns: &[Column]) -> anyhow::Result<()> {
    let [Cell::Text(feed), ..] = cells else { bail!("a row has no feed") };
    open.take_if(|open| open.feed != feed.as_ref()).map_or(Ok(()), Feed::close)?;
    match open {
        Some(feed) => feed.add(cells),
        none => none.insert(Feed::begin(feed, directory, columns)?).add(cells),
    }
}

/// The file of one feed.
struct Feed {
    feed: String,
    writer: SerializedFileWriter<File>,
    /// The rows of the next row group.
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

/// The values of a column that are not null, and which rows have one.
struct Values {
    typed: Typed,
    present: Vec<i16>,
}

enum Typed {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Bool(Vec<bool>),
}

impl Feed {
    fn begin(feed: &str, directory: &WholeFile, columns: &[Column]) -> anyhow::Result<Feed> {
        let path = directory.part().join(file_name(feed));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        directory.give_mode(&path)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(file, Arc::new(parse_message_type(&schema(columns))?), Arc::new(properties))?;
        let columns = columns.iter().map(|column| Values::of(column.kind)).collect();
        Ok(Feed { feed: feed.to_owned(), writer, columns, rows: 0, bytes: 0 })
    }

    fn add(&mut self, cells: &[Cell]) -> anyhow::Result<()> {
        for (values, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += values.add(cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.columns {
            let mut column = group.next_column()?.context("the schema has fewer columns")?;
            values.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn close(mut self) -> anyhow::Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        Ok(self.writer.into_inner()?.sync_all()?)
    }
}

impl Values {
    fn of(kind: Kind) -> Values {
        let typed = match kind {
            Kind::Text | Kind::Loose | Kind::Time | Kind::Json => Typed::Text(Vec::new()),
            Kind::Integer => Typed::Integer(Vec::new()),
            Kind::Real => Typed::Real(Vec::new()),
            Kind::Bool => Typed::Bool(Vec::new()),
        };
        Values { typed, present: Vec::new() }
    }

    /// Adds a value; tells the bytes of a text.
    fn add(&mut self, cell: &Cell) -> anyhow::Result<usize> {
        self.present.push(i16::from(!matches!(cell, Cell::Absent | Cell::Null)));
        match (&mut self.typed, cell) {
            (_, Cell::Absent | Cell::Null) => {}
            (Typed::Text(values), Cell::Text(text)) => {
                values.push(text.as_ref().into());
                return Ok(text.len());
            }
            (Typed::Integer(values), Cell::Integer(number)) => values.push(*number),
            (Typed::Real(values), Cell::Real(number)) => values.push(*number),
            // A view's number may be whole.
            (Typed::Real(values), Cell::Integer(number)) => values.push(*number as f64),
            (Typed::Bool(values), Cell::Integer(number)) => values.push(*number != 0),
            (_, strange) => bail!("a column holds {strange:?}"),
        }
        Ok(0)
    }

    /// Writes the values and forgets them.
    fn write(&mut self, column: &mut SerializedColumnWriter) -> anyhow::Result<()> {
        let present = Some(&*self.present);
        match &mut self.typed {
            Typed::Text(values) => column.typed::<ByteArrayType>().write_batch(&std::mem::take(values), present, None)?,
            Typed::Integer(values) => column.typed::<Int64Type>().write_batch(&std::mem::take(values), present, None)?,
            Typed::Real(values) => column.typed::<DoubleType>().write_batch(&std::mem::take(values), present, None)?,
            Typed::Bool(values) => column.typed::<BoolType>().write_batch(&std::mem::take(values), present, None)?,
        };
        self.present.clear();
        Ok(())
    }
}

fn schema(columns: &[Column]) -> String {
    let column = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Text | Kind::Loose | Kind::Time => ("BYTE_ARRAY", " (STRING)"),
            Kind::Json => ("BYTE_ARRAY", " (JSON)"),
            Kind::Integer => ("INT64", ""),
            Kind::Real => ("DOUBLE", ""),
            Kind::Bool => ("BOOLEAN", ""),
        };
        format!("OPTIONAL {physical} {}{logical};", column.name)
    };
    format!("message listings {{ {} }}", columns.iter().map(column).collect::<String>())
}

/// The vendor's name of a feed, as a name of a file.
fn file_name(feed: &str) -> String {
    let letter = |letter: char| match letter {
        plain if plain.is_alphanumeric() || plain == '-' || plain == '_' => plain.to_string(),
        other => format!("%{:X}", u32::from(other)),
    };
    feed.chars().map(letter).collect::<String>() + ".parquet"
}
