;; attacks = [34, 33]
;; does = "a sink whose destination is a name that leads to this machine, to private networks and to metadata services, each time to another"
;; role = "sink"
;; asks = ["outbound-http"]
;; counts = { http-address = 22, http-requests = 22 }
;; goes-on = "each is refused: the operator named none of these ranges"
;; -- imports
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "inside")
(data (i32.const 8192) "/ok")
;; -- on-batch
(local.set $left (i32.const 11))
(loop $l
(call $send (i32.const 4096) (i32.const 6) (i32.const 1) (i32.const 8192) (i32.const 3)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 4)) (then (unreachable)))
(local.set $left (i32.sub (local.get $left) (i32.const 1)))
(br_if $l (local.get $left)))
