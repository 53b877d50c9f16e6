//! Components that are made to keep a compiler busy, or to make it run out of memory.

use serde::Deserialize;
use wasm_encoder::{
    BlockType, CodeSection, Component, ConstExpr, DataSection, Function, FunctionSection,
    MemorySection, MemoryType, Module, ModuleSection, TypeSection, ValType,
};

/// What there is too much of.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bomb {
    /// Functions of a hundred instructions.
    Functions(usize),
    /// Instructions of one function, in branches.
    Giant(usize),
    /// Locals of one function.
    Locals(u32),
    /// Segments of data.
    Segments(i32),
}

impl Bomb {
    /// A component around it.
    pub fn component(self) -> Vec<u8> {
        let module = match self {
            Self::Functions(count) => module(&vec![arithmetic(100); count]),
            Self::Giant(count) => module(&[arithmetic(count)]),
            Self::Locals(count) => {
                let mut body = Function::new([(count, ValType::I32)]);
                body.instructions().local_get(0).end();
                module(&[body])
            }
            Self::Segments(count) => segments(count),
        };
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        component.finish()
    }
}

/// A module of functions `(i32) -> i32`, made of these.
fn module(bodies: &[Function]) -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    module.section(&types);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for body in bodies {
        functions.function(0);
        code.function(body);
    }
    module.section(&functions);
    module.section(&code);
    module
}

/// A function of `count` instructions that depend on each other.
fn arithmetic(count: usize) -> Function {
    let mut function = Function::new([]);
    let mut body = function.instructions();
    for _ in 0..count / 10 {
        body.local_get(0).if_(BlockType::Empty);
        body.local_get(0).i32_const(3).i32_mul().i32_const(7).i32_add().local_set(0);
        body.end();
    }
    body.local_get(0).end();
    function
}

fn segments(count: i32) -> Module {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut data = DataSection::new();
    for at in 0..count {
        data.active(0, &ConstExpr::i32_const(at % 65_536), [1]);
    }
    module.section(&data);
    module
}
