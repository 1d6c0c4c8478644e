//! How long files and functions are.

use crate::source::parse;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// A function and its lines, from its signature to its closing brace.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// From the signature to the brace.
    pub lines: usize,
}

/// Every function of a file.
pub fn functions(path: &Path) -> Vec<Function> {
    let mut visitor = Visitor(Vec::new());
    visitor.visit_file(&parse(path));
    visitor.0
}

struct Visitor(Vec<Function>);

impl Visitor {
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        self.0.push(Function { name: signature.ident.to_string(), lines: last - first + 1 });
    }
}

impl<'a> Visit<'a> for Visitor {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.note(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}
