;; attacks = [22]
;; does = "uses the handle of one kind of object as another kind"
;; role = "sink"
;; asks = ["artifacts"]
;; dies = "plugin-trap"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(drop (call $len (i32.load (i32.const 2052))))
;; -- honest
(call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
