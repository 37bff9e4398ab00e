//! What the demo says when it is up: six commands to try. Only text; the caller prints it.

use super::config::Plan;

/// The six commands. `program` is how this program was called.
pub fn welcome(plan: &Plan, program: &str) -> String {
    let Plan { proxy, admin, nodes } = plan;
    let nodes = nodes.len();
    format!(
        "\
Leverframe is up: {nodes} demo nodes behind http://{proxy}, console and admin API on http://{admin}.
Ctrl-C ends it. Six things to try, in another terminal:

  1. Send a request; the answer says which node gave it.
     curl -s http://{proxy}/

  2. Send twenty, and see how they are distributed.
     for i in $(seq 20); do curl -s http://{proxy}/; done | grep -o 'node-[0-9]*' | sort | uniq -c

  3. Change the strategy while it runs.
     curl -s -X POST 'http://{admin}/strategy?strategy=least-connections'

  4. See what each strategy has decided, and how long it took.
     curl -s http://{admin}/api/plugins

  5. Ask the databases of all nodes as one.
     curl -s http://{proxy}/query --json '{{\"sql\": \"SELECT department, AVG(salary) FROM users GROUP BY 1\"}}'

  6. Write a strategy of your own; the README goes on from there.
     {program} plugin new my-strategy
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{ADMIN_ADDRESS, PROXY_ADDRESS};

    #[test]
    fn there_are_six_commands_and_they_name_the_addresses() {
        let plan = Plan { proxy: PROXY_ADDRESS, admin: ADMIN_ADDRESS, nodes: Vec::new() };
        let text = welcome(&plan, "target/release/leverframe");
        let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("     ")).collect();
        assert_eq!(commands.len(), 6, "{text}");
        assert_eq!(commands[0], "curl -s http://127.0.0.1:8080/");
        assert!(commands[2].contains("http://127.0.0.1:9900/strategy"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }
}
