# What every answer says.

# Browsers remember it for a year. With the machine's own certificates it takes the promise back instead: a
# laptop that tried the rules must not be locked out of the real site.
let https_only = if(certificates == "", "max-age=0", "max-age=31536000");

sub vcl_deliver {
    call every_answer;
}

sub vcl_synth {
    call every_answer;
}

sub every_answer {
    set resp.http.Strict-Transport-Security = https_only;
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.Referrer-Policy = "strict-origin-when-cross-origin";
    # Which versions run here is for the team to know.
    unset resp.http.Server;
    unset resp.http.X-Powered-By;
}
