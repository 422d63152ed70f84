use crate::{
    Result,
    tidy::{budgets, layers::LAYERS},
    workspace,
};

/// Prints for each crate what somebody gets who takes only that crate.
pub(crate) fn run() -> Result {
    let metadata = workspace::metadata()?;
    let names: Vec<_> = workspace::crates(&metadata)
        .into_iter()
        .map(|package| package.name.to_string())
        .collect();
    println!("packages below each crate (normal dependencies, no proc macros, features off)\n");
    for layer in LAYERS {
        if !names.iter().any(|name| name == layer.name) {
            continue;
        }
        let below = budgets::packages_below(layer.name)?;
        let budget = budgets::budget_of(layer.name);
        let budget = budget.map_or(String::new(), |max| format!(" (budget {max})"));
        println!("{:15} {:3}{budget}", layer.name, below.len());
        if below.len() <= LISTED {
            let list: Vec<_> = below.iter().map(String::as_str).collect();
            println!("{:19} {}", "", list.join(", "));
        }
    }
    Ok(())
}

/// A longer list says nothing at a glance; `cargo tree -p` shows it.
const LISTED: usize = 20;
