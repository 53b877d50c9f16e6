;; attacks = [40]
;; does = "reads and deletes what another stage keeps: by its key, and by keys that would climb or name its namespace"
;; role = "transform"
;; asks = ["state"]
;; goes-on = "a key is a word within the stage's own namespace, whatever it looks like: nothing of another is there"
;; -- imports
(import "bulkhead:plugin/state@0.1.0" "delete" (func $delete (param i32 i32 i32)))
(import "bulkhead:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
;; -- items
(data (i32.const 4096) "../../neighbour/key")
(func $try (param $key i32) (param $len i32)
  (call $get (local.get $key) (local.get $len) (i32.const 2048))
  (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
  (if (i32.load8_u (i32.const 2052)) (then (unreachable)))
  (call $delete (local.get $key) (local.get $len) (i32.const 2048))
  (if (i32.load8_u (i32.const 2048)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 4096) (i32.const 19))
(call $try (i32.const 4099) (i32.const 16))
(call $try (i32.const 4102) (i32.const 13))
(call $try (i32.const 4112) (i32.const 3))
