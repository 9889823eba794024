//! The kernel's filter machine, as far as seccomp has it: what a filter decides of a call. Where filters come from does
//! not belong here.

use anyhow::{Context, Result, bail};

/// `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

/// What a filter sees of a call: `struct seccomp_data`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: u32,
    /// `AUDIT_ARCH_…`.
    pub(super) architecture: u32,
    pub(super) arguments: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> Option<u32> {
        match offset / 4 {
            0 => Some(self.number),
            1 => Some(self.architecture),
            2 | 3 => Some(0),
            word => {
                let argument = self.arguments.get((word - 4) as usize / 2)?;
                Some(if word % 2 == 0 { *argument as u32 } else { (*argument >> 32) as u32 })
            }
        }
    }
}

/// `SECCOMP_RET_…` of the call.
pub(super) fn run(program: &[Instruction], call: &Call) -> Result<u32> {
    let (mut next, mut accumulator, mut memory) = (0, 0, [0; 16]);
    loop {
        let Instruction { code, if_true, if_false, operand } = *program.get(next).context("the filter has no end")?;
        next += 1;
        let holds = match code {
            // LD, ALU AND, ST, LD MEM, JA, RET.
            0x20 => {
                accumulator = call.word(operand).context("the filter reads past the end")?;
                continue;
            }
            0x54 => {
                accumulator &= operand;
                continue;
            }
            0x02 => {
                memory[operand as usize] = accumulator;
                continue;
            }
            0x60 => {
                accumulator = memory[operand as usize];
                continue;
            }
            0x05 => {
                next += operand as usize;
                continue;
            }
            0x06 => return Ok(operand),
            // JEQ, JGT, JGE, JSET.
            0x15 => accumulator == operand,
            0x25 => accumulator > operand,
            0x35 => accumulator >= operand,
            0x45 => accumulator & operand != 0,
            _ => bail!("the filter has an instruction {code:#x}"),
        };
        next += usize::from(if holds { if_true } else { if_false });
    }
}
