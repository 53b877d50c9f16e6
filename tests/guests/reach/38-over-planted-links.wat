;; attacks = [38]
;; does = "a sink that commits artifacts over links which somebody planted in its store: a folder, a file, a hard link"
;; role = "sink"
;; asks = ["artifacts"]
;; counts = { artifact-not-written = 2 }
;; goes-on = "a planted folder is not entered, and what replaces a link is the link, not what it leads to"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[method]writer.write"
  (func $write (param i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[static]writer.commit"
  (func $commit (param i32 i32)))
;; -- items
(data (i32.const 4096) "lake")
(data (i32.const 4352) "planted-folder/x")
(data (i32.const 4384) "planted-file")
(data (i32.const 4416) "planted-hard")
(func $try (param $name i32) (param $len i32) (param $fails i32)
  (call $create (i32.const 4096) (i32.const 4) (local.get $name) (local.get $len)
    (i32.const 0) (i32.const 0) (i32.const 2048))
  (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
  (call $write (i32.load (i32.const 2052)) (i32.const 4096) (i32.const 4) (i32.const 2064))
  (if (i32.load8_u (i32.const 2064)) (then (unreachable)))
  (call $commit (i32.load (i32.const 2052)) (i32.const 2080))
  (if (i32.ne (i32.load8_u (i32.const 2080)) (local.get $fails)) (then (unreachable))))
;; -- on-batch
(call $try (i32.const 4352) (i32.const 16) (i32.const 1))
(call $try (i32.const 4384) (i32.const 12) (i32.const 0))
(call $try (i32.const 4416) (i32.const 12) (i32.const 0))
