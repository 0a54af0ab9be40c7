use sqlparser::ast::{self as sql, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::Parsed;
use super::expression::{convert, folded, not_yet};
use crate::ast::{At, Expr};
use crate::diagnostic::{Diagnostic, Span};

/// A call, or one of the constructors that are written like one.
pub(super) fn call(function: &sql::Function, span: Span) -> Parsed<Expr> {
    let name = function.name.to_string().to_uppercase();
    let arguments = arguments(function, &name, span)?;
    match name.as_str() {
        "STRUCT" => {
            arguments.iter().map(|argument| field(argument, span)).collect::<Parsed<_>>().map(Expr::Struct)
        }
        "MAP" => arguments.iter().map(|argument| entry(argument, span)).collect::<Parsed<_>>().map(Expr::Map),
        _ => {
            let plain = arguments.iter().map(|argument| plain(argument, &name, span));
            let plain = plain.collect::<Parsed<Vec<_>>>()?.into_iter().flatten().collect();
            Ok(Expr::Call(name, plain))
        }
    }
}

/// The arguments, where nothing else is said, such as DISTINCT or FILTER.
fn arguments<'f>(function: &'f sql::Function, name: &str, span: Span) -> Parsed<&'f [FunctionArg]> {
    let is_plain = function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None);
    match &function.args {
        FunctionArguments::None if is_plain => Ok(&[]),
        FunctionArguments::List(list)
            if is_plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
        {
            Ok(&list.args)
        }
        _ => Err(not_yet(format!("this form of {name}"), span)),
    }
}

fn plain(argument: &FunctionArg, name: &str, span: Span) -> Parsed<Option<At<Expr>>> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => convert(expr, span).map(Some),
        // COUNT(*) counts rows, and looks at no column.
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "COUNT" => Ok(None),
        other => Err(not_yet(format!("the argument '{other}' of {name}"), span)),
    }
}

fn field(argument: &FunctionArg, span: Span) -> Parsed<(String, At<Expr>)> {
    match argument {
        FunctionArg::ExprNamed {
            name: sql::Expr::Identifier(name),
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => Ok((folded(name), convert(expr, span)?)),
        other => Err(Diagnostic::new(span, format!("'{other}' is no field of a struct"))
            .help("write STRUCT(name := value, …)")),
    }
}

fn entry(argument: &FunctionArg, span: Span) -> Parsed<(At<Expr>, At<Expr>)> {
    match argument {
        FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(expr), .. } => {
            Ok((convert(name, span)?, convert(expr, span)?))
        }
        other => Err(Diagnostic::new(span, format!("'{other}' is no entry of a map"))
            .help("write MAP('key' := value, …)")),
    }
}
