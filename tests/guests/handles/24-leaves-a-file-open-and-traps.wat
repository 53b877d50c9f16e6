;; attacks = [24]
;; does = "a sink that traps with a file half written"
;; role = "sink"
;; asks = ["artifacts"]
;; dies = "plugin-trap"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[method]writer.write"
  (func $write (param i32 i32 i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(call $write (i32.load (i32.const 2052)) (i32.const 4096) (i32.const 4) (i32.const 2064))
(unreachable)
