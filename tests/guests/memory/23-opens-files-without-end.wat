;; attacks = [23]
;; does = "a sink that opens artifacts until it may not"
;; role = "sink"
;; asks = ["artifacts"]
;; dies = "plugin-handles"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(loop $l
  (call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
    (i32.const 0) (i32.const 0) (i32.const 2048))
  (br $l))
