let name = "🦀🦀"; let other = nmae;
