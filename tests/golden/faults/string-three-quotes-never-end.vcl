let page = """<html>";
let b = 1;
