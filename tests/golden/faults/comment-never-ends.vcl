/* the gateway
let a = 1;
