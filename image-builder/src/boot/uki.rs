//! Unified kernel images: systemd's UEFI stub with kernel, initramfs and command line as sections.
//!
//! What `ukify` does, for our few sections, without Python in the tools root. Formats: Microsoft's
//! "PE Format", the UAPI group's "Unified Kernel Image".

const COFF: usize = 20;
const SECTION: usize = 40;
/// Initialised data, readable.
const CHARACTERISTICS: u32 = 0x4000_0040;
const PE32_PLUS: u32 = 0x20b;

// Where the optional header has what we read or change.
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const IMAGE_SIZE: usize = 56;
const HEADERS_SIZE: usize = 60;
const CHECKSUM: usize = 64;

/// Why a stub cannot carry the sections.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StubError {
    #[error("the UEFI stub is no PE32+ program: {0}")]
    NoProgram(&'static str),
    #[error("the UEFI stub's headers have no room for {0} more sections")]
    NoRoom(usize),
    #[error("the sections are larger than a PE program can be")]
    TooLarge,
}

/// Appends the sections, each a name of at most 8 letters and its content, in the given order.
pub fn build(stub: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>, StubError> {
    let mut program = Program::parse(stub)?;
    if program.table_end() + sections.len() * SECTION > program.headers_size {
        return Err(StubError::NoRoom(sections.len()));
    }
    for (name, content) in sections {
        program.append(name, content)?;
    }
    program.finish()
}

/// A PE program in memory, and what we have to know of it.
struct Program {
    bytes: Vec<u8>,
    coff: usize,
    optional: usize,
    table: usize,
    sections: usize,
    headers_size: usize,
    section_alignment: usize,
    file_alignment: usize,
    /// The end of the last section in memory.
    memory_end: usize,
}

impl Program {
    fn parse(stub: &[u8]) -> Result<Self, StubError> {
        let header = number(stub, 0x3c, 4)?;
        if stub.get(header..header + 4) != Some(b"PE\0\0") {
            return Err(StubError::NoProgram("no PE signature"));
        }
        let coff = header + 4;
        let optional = coff + COFF;
        let magic = u32::try_from(number(stub, optional, 2)?);
        if magic != Ok(PE32_PLUS) {
            return Err(StubError::NoProgram("not for 64 bits"));
        }
        let mut program = Self {
            coff,
            optional,
            table: optional + number(stub, coff + 16, 2)?,
            sections: number(stub, coff + 2, 2)?,
            headers_size: number(stub, optional + HEADERS_SIZE, 4)?,
            section_alignment: number(stub, optional + SECTION_ALIGNMENT, 4)?.max(1),
            file_alignment: number(stub, optional + FILE_ALIGNMENT, 4)?.max(1),
            memory_end: 0,
            bytes: Vec::new(),
        };
        let mut file_end = 0;
        for index in 0..program.sections {
            let at = program.table + index * SECTION;
            let memory = number(stub, at + 12, 4)? + number(stub, at + 8, 4)?;
            program.memory_end = program.memory_end.max(memory);
            file_end = file_end.max(number(stub, at + 20, 4)? + number(stub, at + 16, 4)?);
        }
        // What may lie behind the sections is no part of the program.
        let code = stub.get(..file_end);
        program.bytes = code.ok_or(StubError::NoProgram("it is cut off"))?.to_vec();
        Ok(program)
    }

    fn table_end(&self) -> usize {
        self.table + self.sections * SECTION
    }

    fn append(&mut self, name: &str, content: &[u8]) -> Result<(), StubError> {
        let place = self.memory_end.next_multiple_of(self.section_alignment);
        let at = self.bytes.len().next_multiple_of(self.file_alignment);
        let size = content.len().next_multiple_of(self.file_alignment);
        self.bytes.resize(at, 0);
        self.bytes.extend(content);
        self.bytes.resize(at + size, 0);
        let mut header = name.as_bytes().to_vec();
        header.resize(8, 0);
        for field in [content.len(), place, size, at] {
            header.extend(field_bytes(field)?);
        }
        header.extend([0; 12]); // relocations and line numbers: none
        header.extend(CHARACTERISTICS.to_le_bytes());
        self.put(self.table_end(), &header)?;
        self.sections += 1;
        self.memory_end = place + content.len();
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, StubError> {
        let sections = u16::try_from(self.sections).map_err(|_| StubError::TooLarge)?;
        let size = self.memory_end.next_multiple_of(self.section_alignment);
        self.put(self.coff + 2, &sections.to_le_bytes())?;
        self.put(self.optional + IMAGE_SIZE, &field_bytes(size)?)?;
        // UEFI does not look at it.
        self.put(self.optional + CHECKSUM, &[0; 4])?;
        Ok(self.bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), StubError> {
        let place = self.bytes.get_mut(at..at + bytes.len());
        place.ok_or(StubError::TooLarge)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn field_bytes(value: usize) -> Result<[u8; 4], StubError> {
    let value = u32::try_from(value).map_err(|_| StubError::TooLarge)?;
    Ok(value.to_le_bytes())
}

/// A little-endian number of at most four bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize, StubError> {
    let field = bytes.get(at..at + length);
    let field = field.ok_or(StubError::NoProgram("it is cut off"))?;
    Ok(field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | usize::from(*byte)))
}
