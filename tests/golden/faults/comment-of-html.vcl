<!-- a comment -->
let a = 1;
