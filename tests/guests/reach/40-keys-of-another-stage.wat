;; attacks = [40]
;; does = "reads and writes keys that would be another stage's if keys could climb"
;; role = "transform"
;; asks = ["state"]
;; goes-on = "a key is a word within the stage's own namespace, whatever it looks like: nothing of another is there"
;; -- imports
(import "bulkhead:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
;; -- items
(data (i32.const 4096) "../../neighbour/key")
;; -- on-batch
(call $get (i32.const 4096) (i32.const 19) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
(if (i32.load8_u (i32.const 2052)) (then (unreachable)))
