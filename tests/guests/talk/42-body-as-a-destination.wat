;; attacks = [42, 29]
;; does = "a sink that names a destination, a path and a header after a whole body"
;; role = "sink"
;; asks = ["bodies", "outbound-http"]
;; counts = { http-header = 2, http-path = 2, http-requests = 4, http-unknown-destination = 2 }
;; goes-on = "no such destination, no such path, no such header: the guest is told so, and nothing is repeated"
;; -- imports
(import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))
(import "bulkhead:plugin/outbound-http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "dwh")
(data (i32.const 8192) "/ok")
(func $try (param $name i32) (param $name_len i32) (param $path i32) (param $path_len i32)
    (param $headers i32) (param $word i32)
  (call $send (local.get $name) (local.get $name_len) (i32.const 1)
    (local.get $path) (local.get $path_len)
    (i32.const 12288) (local.get $headers) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2064))
  (if (i32.ne (i32.load8_u (i32.const 2064)) (i32.const 1)) (then (unreachable)))
  (if (i32.ne (i32.load8_u (i32.const 2068)) (local.get $word)) (then (unreachable))))
;; -- on-batch
(call $read (local.get $of) (i32.const 0) (i32.const 1) (i32.const 2048))
(call $try (i32.load (i32.const 2048)) (i32.load (i32.const 2052)) (i32.const 8192) (i32.const 3)
  (i32.const 0) (i32.const 0))
(call $try (i32.const 4096) (i32.const 3) (i32.load (i32.const 2048)) (i32.load (i32.const 2052))
  (i32.const 0) (i32.const 2))
(i32.store (i32.const 12288) (i32.load (i32.const 2048)))
(i32.store (i32.const 12292) (i32.load (i32.const 2052)))
(i32.store (i32.const 12296) (i32.const 4096))
(i32.store (i32.const 12300) (i32.const 3))
(call $try (i32.const 4096) (i32.const 3) (i32.const 8192) (i32.const 3)
  (i32.const 1) (i32.const 3))
