//! The variables of rules: what each is, where it may be read and written. Varnish's columns were asked of
//! `varnishd`, one variable, sub and operation at a time; a name that exists twice has one row and a synonym.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Dialect, Dialects, Phase, Phases, Type};

/// Which `vcl …;` a file begins with. Ours is 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Syntax {
    Vcl40,
    Vcl41,
}

/// A message with headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Req,
    /// The request that an ESI fragment is fetched for; without ESI, the request itself.
    ReqTop,
    Bereq,
    Beresp,
    Obj,
    Resp,
}

impl Family {
    pub const ALL: &'static [Family] =
        &[Family::Req, Family::ReqTop, Family::Bereq, Family::Beresp, Family::Obj, Family::Resp];

    pub const fn word(self) -> &'static str {
        match self {
            Family::Req => "req",
            Family::ReqTop => "req_top",
            Family::Bereq => "bereq",
            Family::Beresp => "beresp",
            Family::Obj => "obj",
            Family::Resp => "resp",
        }
    }

    /// The family of a header's name, and what stands behind `….http.`: `req.http.Cookie:session` is one of
    /// `req`, with `Cookie:session`.
    pub fn of_header(name: &str) -> Option<(Family, &str)> {
        let (word, rest) = name.split_once('.')?;
        let header = rest.strip_prefix("http.")?;
        let family = Family::ALL.iter().copied().find(|family| family.word() == word)?;
        Some((family, header))
    }

    /// Where its headers may be read.
    pub const fn readable(self, dialect: Dialect) -> Phases {
        match (dialect, self) {
            (Dialect::Fastly, Family::Req) => FASTLY,
            (Dialect::Fastly, Family::ReqTop) => NONE,
            (Dialect::Fastly, Family::Bereq) => FASTLY_ASKING.and(FETCH),
            (Dialect::Fastly, Family::Beresp) => FETCH,
            (Dialect::Fastly, Family::Obj) => FASTLY_OBJECT,
            (Dialect::Fastly, Family::Resp) => FASTLY_SENDING,
            (_, Family::Req | Family::ReqTop) => CLIENT,
            (_, Family::Bereq) => ASKING,
            (_, Family::Beresp) => ANSWER,
            (_, Family::Obj) => HIT,
            (_, Family::Resp) => SENDING,
        }
    }

    /// Where its headers may be set, added to and unset.
    pub const fn writable(self, dialect: Dialect) -> Phases {
        match (dialect, self) {
            (_, Family::ReqTop) | (Dialect::Doorward | Dialect::Varnish, Family::Obj) => NONE,
            _ => self.readable(dialect),
        }
    }

    /// Where it may be handed over as a whole: `std.rollback(bereq)`.
    pub const fn whole(self) -> Phases {
        match self {
            Family::Req => CLIENT,
            Family::Bereq => BACKEND,
            Family::Beresp => ANSWER,
            Family::Resp => SENDING,
            Family::ReqTop | Family::Obj => NONE,
        }
    }

    pub const fn doc(self) -> &'static str {
        match self {
            Family::Req => "The headers that the visitor sent.",
            Family::ReqTop => {
                "The headers of the request that a fragment is fetched for; otherwise those of `req`."
            }
            Family::Bereq => "The headers that the backend will see.",
            Family::Beresp => "The headers that the backend answered with.",
            Family::Obj => "The headers of what the cache holds.",
            Family::Resp => "The headers that the visitor will see.",
        }
    }
}

macro_rules! variables {
    ($( $variant:ident $name:literal: $of:ident, $read:expr, $write:expr, $unset:expr, $dialects:expr, $doc:literal; )*) => {
        /// A variable of rules. Headers are places of their own (`Place::Header`); a name with a `*` takes a
        /// word of the rules there: `req.cookie.session`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Variable { $( #[doc = $doc] $variant, )* }

        impl Variable {
            pub const ALL: &'static [Variable] = &[ $( Variable::$variant, )* ];

            pub const fn name(self) -> &'static str {
                match self { $( Variable::$variant => $name, )* }
            }

            pub const fn of(self) -> Type {
                match self { $( Variable::$variant => Type::$of, )* }
            }

            /// In Varnish's dialect and ours. `can_read` knows all three.
            pub const fn readable(self) -> Phases {
                match self { $( Variable::$variant => $read, )* }
            }

            /// In Varnish's dialect (4.1) and ours. `can_write` knows all three.
            pub const fn writable(self) -> Phases {
                match self { $( Variable::$variant => $write, )* }
            }

            /// In Varnish's dialect and ours. `can_unset` knows all three.
            pub const fn unsettable(self) -> Phases {
                match self { $( Variable::$variant => $unset, )* }
            }

            /// Those that know it by this name: synonyms stand in a list of their own.
            pub const fn dialects(self) -> Dialects {
                match self { $( Variable::$variant => $dialects, )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Variable::$variant => $doc, )* }
            }
        }
    };
}

const NONE: Phases = Phases::NONE;
const CLIENT: Phases = Phases::CLIENT;
const BACKEND: Phases = Phases::BACKEND;
const REQUEST: Phases = Phases::REQUEST;
const ALWAYS: Phases = Phases::ALL;
/// Where there is a request to the backend.
const ASKING: Phases = Phases::BACKEND.and(Phases::of(&[Phase::Pipe]));
/// Where there is an answer of the backend, or one in its place.
const ANSWER: Phases = Phases::of(&[Phase::BackendResponse, Phase::BackendError]);
const FETCH: Phases = Phases::of(&[Phase::BackendResponse]);
/// Where there is an object of the cache.
const FOUND: Phases = Phases::of(&[Phase::Hit, Phase::Deliver]);
const HIT: Phases = Phases::of(&[Phase::Hit]);
/// Where there is an answer to the visitor.
const SENDING: Phases = Phases::of(&[Phase::Deliver, Phase::Synth]);
/// Where the place in the cache is known.
const HASHED: Phases = Phases::of(&[Phase::Hit, Phase::Miss, Phase::Pass, Phase::Purge, Phase::Deliver]);

/// All of Fastly's phases: `vcl_fetch` is `BackendResponse`, `vcl_error` is `Synth`.
const FASTLY: Phases = Phases::of(&[
    Phase::Recv,
    Phase::Hash,
    Phase::Hit,
    Phase::Miss,
    Phase::Pass,
    Phase::BackendResponse,
    Phase::Synth,
    Phase::Deliver,
    Phase::Log,
]);
const FASTLY_ASKING: Phases = Phases::of(&[Phase::Miss, Phase::Pass]);
const FASTLY_OBJECT: Phases = Phases::of(&[Phase::Hit, Phase::Synth]);
const FASTLY_SENDING: Phases = Phases::of(&[Phase::Deliver, Phase::Log]);

variables! {
    // The connection
    ClientIdentity "client.identity": String, REQUEST, CLIENT, NONE, Dialects::ALL, "Who the visitor is, for directors that keep visitors to one backend. It is the address until a rule says otherwise; as text, an address is cut to its network.";
    ClientIp "client.ip": Ip, REQUEST, NONE, NONE, Dialects::ALL, "The visitor's address. It is compared and matched as it is; as text it is cut to its network, so that no rule writes an address anywhere.";
    ServerHostname "server.hostname": String, ALWAYS, NONE, NONE, Dialects::ALL, "The name of this machine.";
    ServerIdentity "server.identity": String, ALWAYS, NONE, NONE, Dialects::ALL, "The name of this gateway, which is the name of its machine.";
    ServerIp "server.ip": Ip, REQUEST, NONE, NONE, Dialects::ALL, "The address that the visitor connected to.";
    RemoteIp "remote.ip": Ip, REQUEST, NONE, NONE, Dialects::VCL, "The other end of the connection: the visitor, or a proxy before this gateway. As text it is cut to its network.";
    LocalEndpoint "local.endpoint": String, REQUEST, NONE, NONE, Dialects::VCL, "The address of the listener, as it is written in the settings.";
    LocalIp "local.ip": Ip, REQUEST, NONE, NONE, Dialects::VCL, "This end of the connection.";
    LocalSocket "local.socket": String, REQUEST, NONE, NONE, Dialects::VCL, "The name of the listener.";
    SessIdleSendTimeout "sess.idle_send_timeout": Duration, CLIENT, CLIENT, NONE, Dialects::VCL, "How long one piece of an answer may take to leave.";
    SessSendTimeout "sess.send_timeout": Duration, CLIENT, CLIENT, NONE, Dialects::VCL, "How long a whole answer may take to leave.";
    SessTimeoutIdle "sess.timeout_idle": Duration, CLIENT, CLIENT, NONE, Dialects::VCL, "How long a connection may wait for its next request.";
    SessTimeoutLinger "sess.timeout_linger": Duration, CLIENT, CLIENT, NONE, Dialects::VCL, "How long a thread stays with a connection that waits. Here nothing waits in threads.";
    SessXid "sess.xid": String, REQUEST, NONE, NONE, Dialects::VCL, "The number of the connection.";

    // The request
    ReqBackendHint "req.backend_hint": Backend, CLIENT, CLIENT, NONE, Dialects::VCL, "The backend or director that will be asked.";
    ReqCanGzip "req.can_gzip": Bool, CLIENT, NONE, NONE, Dialects::VCL, "Whether the visitor takes gzip.";
    ReqEsi "req.esi": Bool, CLIENT, CLIENT, NONE, Dialects::LEGACY, "Whether ESI includes are followed in the answer.";
    ReqEsiLevel "req.esi_level": Int, CLIENT, NONE, NONE, Dialects::ALL, "How deep in ESI includes this request is; 0 is the page itself.";
    ReqGrace "req.grace": Duration, CLIENT, CLIENT, NONE, Dialects::ALL, "How long past its time an object may be for this request.";
    ReqHash "req.hash": Blob, HASHED, NONE, NONE, Dialects::VCL, "The key of this request in the cache.";
    ReqHashText "req.hash": String, NONE, NONE, NONE, Dialects::FASTLY, "What tells two pages apart in the cache: `set req.hash += req.url;` adds to it.";
    ReqHashAlwaysMiss "req.hash_always_miss": Bool, CLIENT, CLIENT, NONE, Dialects::ALL, "Asks the backend whatever the cache holds, and keeps the new answer.";
    ReqHashIgnoreBusy "req.hash_ignore_busy": Bool, CLIENT, CLIENT, NONE, Dialects::ALL, "Does not wait for another visitor's fetch of the same page.";
    ReqHashIgnoreVary "req.hash_ignore_vary": Bool, CLIENT, CLIENT, NONE, Dialects::VCL, "Takes what the cache holds whatever its `Vary` says.";
    ReqIsHitmiss "req.is_hitmiss": Bool, CLIENT, NONE, NONE, Dialects::VCL, "The cache knows that this page was not worth keeping, and it is asked for again.";
    ReqIsHitpass "req.is_hitpass": Bool, CLIENT, NONE, NONE, Dialects::VCL, "The cache knows that this page is to be passed.";
    ReqMethod "req.method": String, CLIENT, CLIENT, NONE, Dialects::ALL, "The method, such as `GET`.";
    ReqProto "req.proto": String, CLIENT, NONE, NONE, Dialects::ALL, "The protocol of the request, such as `HTTP/1.1` or `HTTP/2.0`.";
    ReqRestarts "req.restarts": Int, CLIENT, NONE, NONE, Dialects::ALL, "How often this request began again.";
    ReqStorage "req.storage": Stevedore, CLIENT, CLIENT, NONE, Dialects::VCL, "Where the body of the request is kept while it is cached.";
    ReqTime "req.time": Time, CLIENT, NONE, NONE, Dialects::VCL, "When the request had arrived; a restart does not change it.";
    ReqTransport "req.transport": String, CLIENT, NONE, NONE, Dialects::VCL, "What carried the request: `HTTP/1` or `H2`.";
    ReqTtl "req.ttl": Duration, CLIENT, CLIENT, NONE, Dialects::VCL, "How old an object may be for this request.";
    ReqUrl "req.url": String, CLIENT, CLIENT, NONE, Dialects::ALL, "The path and the query that were asked for.";
    ReqXid "req.xid": String, CLIENT, NONE, NONE, Dialects::ALL, "The name of this request, which its log line and its error page show.";
    ReqTopMethod "req_top.method": String, CLIENT, NONE, NONE, Dialects::VCL, "The method of the page that a fragment is fetched for; otherwise that of `req`.";
    ReqTopProto "req_top.proto": String, CLIENT, NONE, NONE, Dialects::VCL, "The protocol of the page that a fragment is fetched for; otherwise that of `req`.";
    ReqTopTime "req_top.time": Time, CLIENT, NONE, NONE, Dialects::VCL, "When the page that a fragment is fetched for was asked for; otherwise that of `req`.";
    ReqTopUrl "req_top.url": String, CLIENT, NONE, NONE, Dialects::VCL, "The path and the query of the page that a fragment is fetched for; otherwise that of `req`.";

    // The request to the backend
    BereqBackend "bereq.backend": Backend, ASKING, ASKING, NONE, Dialects::VCL, "The backend or director that is asked.";
    BereqBetweenBytesTimeout "bereq.between_bytes_timeout": Duration, BACKEND, BACKEND, NONE, Dialects::ALL, "How long the backend may pause within its answer; `0s` is what its declaration says.";
    BereqBody "bereq.body": Body, NONE, NONE, Phases::of(&[Phase::BackendFetch]), Dialects::VCL, "The body that the backend would get. It can be taken away.";
    BereqConnectTimeout "bereq.connect_timeout": Duration, ASKING, ASKING, NONE, Dialects::ALL, "How long connecting to the backend may take; `0s` is what its declaration says.";
    BereqFirstByteTimeout "bereq.first_byte_timeout": Duration, BACKEND, BACKEND, NONE, Dialects::ALL, "How long the backend may think before its answer begins; `0s` is what its declaration says.";
    BereqHash "bereq.hash": Blob, ASKING, NONE, NONE, Dialects::VCL, "The key of this request in the cache.";
    BereqIsBgfetch "bereq.is_bgfetch": Bool, BACKEND, NONE, NONE, Dialects::VCL, "Nobody waits for this fetch: the visitor got an older answer.";
    BereqIsHitmiss "bereq.is_hitmiss": Bool, BACKEND, NONE, NONE, Dialects::VCL, "The cache knew that this page was not worth keeping.";
    BereqIsHitpass "bereq.is_hitpass": Bool, BACKEND, NONE, NONE, Dialects::VCL, "The cache knew that this page is to be passed.";
    BereqMethod "bereq.method": String, ASKING, ASKING, NONE, Dialects::ALL, "The method that the backend will see.";
    BereqProto "bereq.proto": String, ASKING, NONE, NONE, Dialects::ALL, "The protocol of the request to the backend.";
    BereqRetries "bereq.retries": Int, BACKEND, NONE, NONE, Dialects::VCL, "How often the backend was asked again.";
    BereqTime "bereq.time": Time, ASKING, NONE, NONE, Dialects::VCL, "When the request to the backend was made; a retry does not change it.";
    BereqUncacheable "bereq.uncacheable": Bool, BACKEND, NONE, NONE, Dialects::VCL, "The answer will not be kept: the request is passed.";
    BereqUrl "bereq.url": String, ASKING, ASKING, NONE, Dialects::ALL, "The path and the query that the backend will see.";
    BereqXid "bereq.xid": String, ASKING, NONE, NONE, Dialects::VCL, "The name of this request, which its log line and its error page show.";

    // The backend's answer
    BerespAge "beresp.age": Duration, ANSWER, NONE, NONE, Dialects::VCL, "How old the answer is, as its `Age` says.";
    BerespBackend "beresp.backend": Backend, ANSWER, NONE, NONE, Dialects::VCL, "The backend that answered.";
    BerespBackendIp "beresp.backend.ip": Ip, FETCH, NONE, NONE, Dialects::LEGACY, "The address of the backend that answered.";
    BerespBackendName "beresp.backend.name": String, ANSWER, NONE, NONE, Dialects::ALL, "The name of the backend that answered.";
    BerespBody "beresp.body": Body, NONE, Phases::of(&[Phase::BackendError]), NONE, Dialects::VCL, "The body of the answer that stands in for the backend's.";
    BerespDoEsi "beresp.do_esi": Bool, ANSWER, ANSWER, NONE, Dialects::VCL, "Reads the body for ESI includes.";
    BerespDoGunzip "beresp.do_gunzip": Bool, ANSWER, ANSWER, NONE, Dialects::VCL, "Unpacks the body before it is kept.";
    BerespDoGzip "beresp.do_gzip": Bool, ANSWER, ANSWER, NONE, Dialects::VCL, "Packs the body before it is kept.";
    BerespDoStream "beresp.do_stream": Bool, ANSWER, ANSWER, NONE, Dialects::ALL, "Sends the body on while it still arrives.";
    BerespFilters "beresp.filters": String, FETCH, FETCH, NONE, Dialects::VCL, "The filters that the body goes through before it is kept, by name.";
    BerespGrace "beresp.grace": Duration, ANSWER, ANSWER, NONE, Dialects::ALL, "How long past its time the answer may still be given while a new one is fetched.";
    BerespKeep "beresp.keep": Duration, ANSWER, ANSWER, NONE, Dialects::VCL, "How long past its time the answer is kept to ask the backend whether it changed.";
    BerespProto "beresp.proto": String, ANSWER, NONE, NONE, Dialects::ALL, "The protocol that the backend answered in.";
    BerespReason "beresp.reason": String, ANSWER, ANSWER, NONE, Dialects::VCL, "The words beside the status.";
    BerespStatus "beresp.status": Int, ANSWER, ANSWER, NONE, Dialects::ALL, "The status of the answer. Setting it sets the usual reason.";
    BerespStorage "beresp.storage": Stevedore, ANSWER, ANSWER, NONE, Dialects::VCL, "Where the answer will be kept.";
    BerespStorageHint "beresp.storage_hint": String, ANSWER, ANSWER, NONE, Dialects::VARNISH, "Where the answer will be kept, by name.";
    BerespTime "beresp.time": Time, ANSWER, NONE, NONE, Dialects::VCL, "When the head of the answer had arrived.";
    BerespTtl "beresp.ttl": Duration, ANSWER, ANSWER, NONE, Dialects::ALL, "How long the answer may be kept.";
    BerespUncacheable "beresp.uncacheable": Bool, ANSWER, ANSWER, NONE, Dialects::VCL, "The answer is not to be kept. Once true, it stays so.";
    BerespWas304 "beresp.was_304": Bool, ANSWER, NONE, NONE, Dialects::VCL, "The backend said that what the cache holds has not changed.";

    // The object in the cache
    ObjAge "obj.age": Duration, FOUND, NONE, NONE, Dialects::ALL, "How old the object is.";
    ObjCanEsi "obj.can_esi": Bool, FOUND, NONE, NONE, Dialects::VCL, "The object was read for ESI includes.";
    ObjGrace "obj.grace": Duration, FOUND, NONE, NONE, Dialects::ALL, "How long past its time the object may still be given.";
    ObjHits "obj.hits": Int, FOUND, NONE, NONE, Dialects::ALL, "How often the object was found in the cache; 0 is a miss.";
    ObjKeep "obj.keep": Duration, FOUND, NONE, NONE, Dialects::VCL, "How long past its time the object is kept to ask the backend whether it changed.";
    ObjProto "obj.proto": String, HIT, NONE, NONE, Dialects::ALL, "The protocol that the object came in.";
    ObjReason "obj.reason": String, HIT, NONE, NONE, Dialects::VCL, "The words beside the object's status.";
    ObjStatus "obj.status": Int, HIT, NONE, NONE, Dialects::ALL, "The status of the object. In Fastly's `vcl_error` it is that of the answer that is made there.";
    ObjStorage "obj.storage": Stevedore, FOUND, NONE, NONE, Dialects::VCL, "Where the object is kept.";
    ObjTime "obj.time": Time, FOUND, NONE, NONE, Dialects::VCL, "When the object was made.";
    ObjTtl "obj.ttl": Duration, FOUND, NONE, NONE, Dialects::ALL, "How long the object may still be given as fresh.";
    ObjUncacheable "obj.uncacheable": Bool, Phases::of(&[Phase::Deliver]), NONE, NONE, Dialects::VCL, "The answer was not kept.";

    // The answer to the visitor
    RespBody "resp.body": Body, NONE, Phases::of(&[Phase::Synth]), NONE, Dialects::VCL, "The body of the answer that rules make.";
    RespDoEsi "resp.do_esi": Bool, SENDING, SENDING, NONE, Dialects::VCL, "Follows the ESI includes of the answer.";
    RespFilters "resp.filters": String, SENDING, SENDING, NONE, Dialects::VCL, "The filters that the body goes through on its way out, by name.";
    RespIsStreaming "resp.is_streaming": Bool, SENDING, NONE, NONE, Dialects::ALL, "The body is sent on while it still arrives from the backend.";
    RespProto "resp.proto": String, SENDING, NONE, NONE, Dialects::ALL, "The protocol of the answer.";
    RespReason "resp.reason": String, SENDING, SENDING, NONE, Dialects::VCL, "The words beside the status.";
    RespStatus "resp.status": Int, SENDING, SENDING, NONE, Dialects::ALL, "The status that the visitor will see. Setting it sets the usual reason; of a number above 999, the visitor sees the last three digits.";
    RespTime "resp.time": Time, SENDING, NONE, NONE, Dialects::VCL, "When the answer was begun.";

    // Elsewhere
    Now "now": Time, ALWAYS, NONE, NONE, Dialects::ALL, "The time; it stands still while one sub of the gateway runs.";
    StorageFreeSpace "storage.*.free_space": Bytes, ALWAYS, NONE, NONE, Dialects::VCL, "How much the storage of this name has left.";
    StorageHappy "storage.*.happy": Bool, ALWAYS, NONE, NONE, Dialects::VCL, "The storage of this name works.";
    StorageUsedSpace "storage.*.used_space": Bytes, ALWAYS, NONE, NONE, Dialects::VCL, "How much the storage of this name holds.";

    // Ours
    ClientNetwork "client.network": String, REQUEST, NONE, NONE, Dialects::OURS, "The network that the visitor's address is in, cut to /24 or /48: what may be written down.";
    ClientPort "client.port": Int, REQUEST, NONE, NONE, Dialects::EXTENDED, "The port that the visitor connected from.";
    ClientTls "client.tls": Bool, REQUEST, NONE, NONE, Dialects::OURS, "The visitor came over https.";
    ClientTlsName "client.tls.name": String, REQUEST, NONE, NONE, Dialects::OURS, "The host name that the visitor asked for while connecting; unset over plain http.";
    ClientTlsVersion "client.tls.version": String, REQUEST, NONE, NONE, Dialects::OURS, "The version of TLS, such as `TLSv1.3`; unset over plain http.";
    ReqPath "req.path": String, CLIENT, NONE, NONE, Dialects::OURS, "The path that was asked for, without its query.";
    ReqQuery "req.query": String, CLIENT, NONE, NONE, Dialects::OURS, "The query that was asked for, without its question mark; unset where there is none.";
    ReqHost "req.host": String, CLIENT, NONE, NONE, Dialects::OURS, "The host that was asked for, in lower case and without its port.";
    ReqCookie "req.cookie.*": String, CLIENT, NONE, NONE, Dialects::OURS, "The cookie of this name; unset where there is none.";
    ReqArg "req.arg.*": String, CLIENT, NONE, NONE, Dialects::OURS, "The argument of this name in the query, decoded; unset where there is none.";
    ReqName "req.name.*": String, REQUEST, NONE, NONE, Dialects::OURS, "What stands in the path where the route says `{name}`; unset where the route has no such name.";
    ReqSite "req.site": String, REQUEST, NONE, NONE, Dialects::OURS, "The first name of the site.";
    ReqRoute "req.route": String, REQUEST, NONE, NONE, Dialects::OURS, "The path of the route, as the tree writes it.";
    ReqId "req.id": String, REQUEST, NONE, NONE, Dialects::OURS, "The name of this request, which its log line and its error page show.";
    BereqPath "bereq.path": String, ASKING, NONE, NONE, Dialects::OURS, "The path that the backend will see, without its query.";
    BereqQuery "bereq.query": String, ASKING, NONE, NONE, Dialects::OURS, "The query that the backend will see, without its question mark; unset where there is none.";
    Cause "cause": String, Phases::of(&[Phase::BackendError, Phase::Synth, Phase::Deliver]), NONE, NONE, Dialects::OURS, "Why there is no answer of the backend, in one word such as `refused` or `first_byte_timeout`; unset where nothing went wrong.";

    // Fastly's, and ours where they help
    ReqBackendHealthy "req.backend.healthy": Bool, CLIENT, NONE, NONE, Dialects::EXTENDED, "The backend or director that will be asked is well.";
    ReqIsIpv6 "req.is_ipv6": Bool, CLIENT, NONE, NONE, Dialects::EXTENDED, "The visitor's address is one of IPv6.";
    ReqIsHttp2 "fastly_info.is_h2": Bool, NONE, NONE, NONE, Dialects::FASTLY, "The request came over HTTP/2.";
    ReqProtocol "req.protocol": String, CLIENT, NONE, NONE, Dialects::EXTENDED, "`https` or `http`.";
    ReqUrlBasename "req.url.basename": String, CLIENT, NONE, NONE, Dialects::EXTENDED, "The last piece of the path.";
    ReqUrlDirname "req.url.dirname": String, CLIENT, NONE, NONE, Dialects::EXTENDED, "The path without its last piece.";
    ReqUrlExt "req.url.ext": String, CLIENT, NONE, NONE, Dialects::EXTENDED, "What stands behind the last dot of the path's last piece.";
    BereqUrlBasename "bereq.url.basename": String, ASKING, NONE, NONE, Dialects::EXTENDED, "The last piece of the path that the backend will see.";
    BereqUrlDirname "bereq.url.dirname": String, ASKING, NONE, NONE, Dialects::EXTENDED, "The path that the backend will see, without its last piece.";
    BereqUrlExt "bereq.url.ext": String, ASKING, NONE, NONE, Dialects::EXTENDED, "What stands behind the last dot of the last piece of the path that the backend will see.";
    BerespCacheable "beresp.cacheable": Bool, NONE, NONE, NONE, Dialects::FASTLY, "The answer may be kept.";
    BerespStaleIfError "beresp.stale_if_error": Duration, NONE, NONE, NONE, Dialects::FASTLY, "How long past its time the answer may stand in for a backend that fails.";
    BerespStaleWhileRevalidate "beresp.stale_while_revalidate": Duration, NONE, NONE, NONE, Dialects::FASTLY, "How long past its time the answer may be given while a new one is fetched.";
    FastlyInfoState "fastly_info.state": String, NONE, NONE, NONE, Dialects::FASTLY, "How the answer came about: `MISS`, `PASS`, `ERROR` and their like.";
    FastlyVisits "fastly.ff.visits_this_service": Int, NONE, NONE, NONE, Dialects::FASTLY, "How many gateways of this service the request went through before: none, so 0.";
    StaleExists "stale.exists": Bool, NONE, NONE, NONE, Dialects::FASTLY, "The cache holds an old answer that could stand in.";
    NowSec "now.sec": String, ALWAYS, NONE, NONE, Dialects::EXTENDED, "The time in whole seconds since 1970.";
    TimeStart "time.start": Time, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived.";
    TimeStartSec "time.start.sec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived, in whole seconds since 1970.";
    TimeStartMsec "time.start.msec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived, in thousandths of a second since 1970.";
    TimeStartMsecFrac "time.start.msec_frac": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived: the thousandths within the second, in three digits.";
    TimeStartUsec "time.start.usec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived, in millionths of a second since 1970.";
    TimeStartUsecFrac "time.start.usec_frac": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "When the request had arrived: the millionths within the second, in six digits.";
    TimeElapsed "time.elapsed": Duration, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived.";
    TimeElapsedSec "time.elapsed.sec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived, in whole seconds.";
    TimeElapsedMsec "time.elapsed.msec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived, in thousandths of a second.";
    TimeElapsedMsecFrac "time.elapsed.msec_frac": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived: the thousandths within the second, in three digits.";
    TimeElapsedUsec "time.elapsed.usec": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived, in millionths of a second.";
    TimeElapsedUsecFrac "time.elapsed.usec_frac": String, REQUEST, NONE, NONE, Dialects::EXTENDED, "How long ago the request had arrived: the millionths within the second, in six digits.";
}

/// Other names of the same things.
pub const SYNONYMS: &[(&str, Dialects, Variable)] = &[
    ("req.backend", Dialects::EXTENDED, Variable::ReqBackendHint),
    ("req.request", Dialects::EXTENDED, Variable::ReqMethod),
    ("bereq.request", Dialects::EXTENDED, Variable::BereqMethod),
    ("req.url.path", Dialects::EXTENDED, Variable::ReqPath),
    ("req.url.qs", Dialects::EXTENDED, Variable::ReqQuery),
    ("bereq.url.path", Dialects::EXTENDED, Variable::BereqPath),
    ("bereq.url.qs", Dialects::EXTENDED, Variable::BereqQuery),
    ("req.is_ssl", Dialects::EXTENDED, Variable::ClientTls),
    ("fastly_info.edge.is_tls", Dialects::FASTLY, Variable::ClientTls),
    ("tls.client.protocol", Dialects::EXTENDED, Variable::ClientTlsVersion),
    ("tls.client.servername", Dialects::EXTENDED, Variable::ClientTlsName),
    ("beresp.response", Dialects::EXTENDED, Variable::BerespReason),
    ("obj.response", Dialects::EXTENDED, Variable::ObjReason),
    ("resp.response", Dialects::EXTENDED, Variable::RespReason),
    ("beresp.gzip", Dialects::FASTLY, Variable::BerespDoGzip),
    ("fastly_info.request_id", Dialects::FASTLY, Variable::ReqId),
];

/// Words of ours whose rooms are not built yet: they get the fault that says so.
pub const LATER: &[&str] =
    &["user", "user.name", "user.groups", "user.mail", "user.since", "user.level", "req.class"];

/// Names that Fastly knows and we do not honour, with the reason. One that ends in `*` stands for all that begin so.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("client.geo.*", "the gateway holds no map of addresses to places"),
    ("client.as.*", "the gateway holds no map of addresses to networks' owners"),
    ("client.browser.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.platform.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.class.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.bot.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.display.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.os.*", "the gateway does not judge browsers; match `req.http.User-Agent`"),
    ("client.socket.*", "rules do not see the state of sockets"),
    ("client.requests", "rules do not count the requests of a connection"),
    ("client.sess_timeout", "it is called `sess.timeout_idle` here"),
    ("geoip.*", "the gateway holds no map of addresses to places"),
    (
        "backend.*",
        "the state of sockets is not shown to rules; `std.healthy(name)` says whether a backend is well",
    ),
    ("director.*", "`std.healthy(name)` says whether a director is well"),
    ("quic.*", "the gateway does not speak HTTP/3"),
    ("transport.*", "rules do not see the state of sockets"),
    ("workspace.*", "rules have no workspace that could run out"),
    ("waf.*", "there is no such firewall here"),
    ("segmented_caching.*", "answers are not kept in segments"),
    ("tls.client.certificate.*", "visitors are not asked for certificates"),
    ("tls.client.*", "only `tls.client.protocol` and `tls.client.servername` are known here"),
    ("req.body", "rules do not see bodies"),
    ("req.body.base64", "rules do not see bodies"),
    ("req.postbody", "rules do not see bodies"),
    ("req.body_bytes_read", "sizes are in the access log, not in rules"),
    ("req.header_bytes_read", "sizes are in the access log, not in rules"),
    ("req.bytes_read", "sizes are in the access log, not in rules"),
    ("bereq.body_bytes_written", "sizes are in the access log, not in rules"),
    ("bereq.header_bytes_written", "sizes are in the access log, not in rules"),
    ("bereq.bytes_written", "sizes are in the access log, not in rules"),
    ("resp.body_bytes_written", "sizes are in the access log, not in rules"),
    ("resp.header_bytes_written", "sizes are in the access log, not in rules"),
    ("resp.bytes_written", "sizes are in the access log, not in rules"),
    ("resp.completed", "whether an answer was sent to its end is in the access log, not in rules"),
    ("resp.stale*", "there is no old answer to tell of"),
    ("req.digest*", "the key in the cache is not shown as text"),
    ("req.service_id", "a gateway has no number of a service"),
    ("req.customer_id", "a gateway has no number of a customer"),
    ("req.vcl*", "a tree has no number; `doorward rules` says which one runs"),
    ("req.backend.is_*", "gateways do not stand behind one another as shields"),
    ("bereq.is_clustering", "gateways do not stand behind one another as shields"),
    (
        "bereq.fetch_timeout",
        "the three timeouts of a fetch are `bereq.connect_timeout`, `bereq.first_byte_timeout` and `bereq.between_bytes_timeout`",
    ),
    ("beresp.brotli", "the gateway does not pack with brotli"),
    ("beresp.hipaa", "every answer is kept by the same rules"),
    ("beresp.pci", "every answer is kept by the same rules"),
    ("obj.is_pci", "every answer is kept by the same rules"),
    ("beresp.saintmode", "whether a backend is well is asked by its probe"),
    ("obj.entered", "when an object was put into the cache is not shown; `obj.age` says how old it is"),
    ("obj.lastuse", "when an object was last used is not shown; `obj.age` says how old it is"),
    ("server.datacenter", "there is one gateway and no network of them"),
    ("server.pop", "there is one gateway and no network of them"),
    ("server.region", "there is one gateway and no network of them"),
    ("server.billing_region", "there is one gateway and no network of them"),
    ("fastly.error", "a function that fails fails the visit, with its line in the error log"),
    ("fastly.*", "there is one gateway and no network of them"),
    ("fastly_info.*", "there is one gateway and no network of them"),
];

/// One name may mean two things in two dialects.
static NAMES: LazyLock<HashMap<(&'static str, Dialect), Variable>> = LazyLock::new(|| {
    let in_dialect =
        |dialect| Variable::names(dialect).map(move |(name, variable)| ((name, dialect), variable));
    Dialect::ALL.iter().copied().flat_map(in_dialect).collect()
});

impl Variable {
    /// By name, as a dialect spells it: synonyms lead to the same variable.
    pub fn by_name(name: &str, dialect: Dialect) -> Option<Variable> {
        let names: &HashMap<(&str, Dialect), Variable> = &NAMES;
        names.get(&(name, dialect)).copied()
    }

    /// One that takes a word of the rules, with that word: `req.cookie.session` is `req.cookie.*` and `session`.
    pub fn by_pattern(name: &str, dialect: Dialect) -> Option<(Variable, &str)> {
        Variable::ALL.iter().copied().filter(|variable| variable.dialects().has(dialect)).find_map(
            |variable| {
                let (before, behind) = variable.name().split_once('*')?;
                let word = name.strip_prefix(before)?.strip_suffix(behind)?;
                (!word.is_empty()).then_some((variable, word))
            },
        )
    }

    /// Whether its name takes a word of the rules.
    pub fn is_pattern(self) -> bool {
        self.name().contains('*')
    }

    /// All names that a dialect knows, synonyms too: for suggestions and completions.
    pub fn names(dialect: Dialect) -> impl Iterator<Item = (&'static str, Variable)> {
        let own = Variable::ALL.iter().map(|variable| (variable.name(), variable.dialects(), *variable));
        own.chain(SYNONYMS.iter().copied())
            .filter(move |(_, dialects, _)| dialects.has(dialect))
            .map(|(name, _, variable)| (name, variable))
    }

    /// Why a name that others know is not known here.
    pub fn unsupported(name: &str) -> Option<&'static str> {
        UNSUPPORTED
            .iter()
            .find(|(known, _)| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
            .map(|(_, reason)| *reason)
    }

    /// Whether it exists under a `vcl …;` line at all. Asked in Varnish's dialect; the others have no such line.
    pub const fn exists_in(self, syntax: Syntax) -> bool {
        match self {
            Variable::ReqEsi | Variable::BerespBackendIp | Variable::BerespStorageHint => {
                matches!(syntax, Syntax::Vcl40)
            }
            Variable::LocalEndpoint | Variable::LocalSocket | Variable::RespDoEsi | Variable::SessXid => {
                matches!(syntax, Syntax::Vcl41)
            }
            _ => true,
        }
    }

    pub fn can_read(self, phase: Phase, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Fastly => self.readable_in_fastly().has(phase),
            Dialect::Doorward | Dialect::Varnish => self.readable().has(phase),
        }
    }

    /// The syntax says something in Varnish's dialect alone: 4.0 let protocols be set.
    pub fn can_write(self, phase: Phase, dialect: Dialect, syntax: Syntax) -> bool {
        match dialect {
            Dialect::Fastly => self.writable_in_fastly().has(phase),
            Dialect::Varnish if syntax == Syntax::Vcl40 && self.was_writable() => self.readable().has(phase),
            Dialect::Doorward | Dialect::Varnish => self.writable().has(phase),
        }
    }

    pub fn can_unset(self, phase: Phase, dialect: Dialect) -> bool {
        dialect != Dialect::Fastly && self.unsettable().has(phase)
    }

    const fn was_writable(self) -> bool {
        matches!(
            self,
            Variable::ReqProto | Variable::BereqProto | Variable::BerespProto | Variable::RespProto
        )
    }

    /// Where it may be read in a dialect.
    pub fn readable_in(self, dialect: Dialect) -> Phases {
        if dialect == Dialect::Fastly { self.readable_in_fastly() } else { self.readable() }
    }

    /// Where it may be set in a dialect.
    pub fn writable_in(self, dialect: Dialect) -> Phases {
        if dialect == Dialect::Fastly { self.writable_in_fastly() } else { self.writable() }
    }

    /// Fastly's messages are in reach by their scope, whichever variable of them it is.
    fn readable_in_fastly(self) -> Phases {
        let scope = self.name().split_once('.').map_or(self.name(), |(scope, _)| scope);
        match (scope, self) {
            (_, Variable::ObjHits | Variable::ObjAge) => FASTLY_OBJECT.and(FASTLY_SENDING),
            (
                _,
                Variable::BereqConnectTimeout
                | Variable::BereqFirstByteTimeout
                | Variable::BereqBetweenBytesTimeout,
            ) => FASTLY_ASKING,
            ("bereq", _) => FASTLY_ASKING.and(FETCH),
            ("beresp", _) => FETCH,
            ("obj", _) => FASTLY_OBJECT,
            ("resp", _) => FASTLY_SENDING,
            _ => FASTLY,
        }
    }

    fn writable_in_fastly(self) -> Phases {
        match self {
            Variable::ObjStatus | Variable::ObjReason | Variable::ObjTtl | Variable::ObjGrace => {
                FASTLY_OBJECT
            }
            Variable::BerespCacheable
            | Variable::BerespStaleIfError
            | Variable::BerespStaleWhileRevalidate => FETCH,
            Variable::ReqHashText => Phases::of(&[Phase::Hash]),
            Variable::RespStatus | Variable::RespReason => Phases::of(&[Phase::Deliver]),
            _ if self.writable().is_empty() => NONE,
            _ => self.readable_in_fastly(),
        }
    }
}

#[cfg(test)]
mod tests;
