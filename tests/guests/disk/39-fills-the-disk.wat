;; attacks = [39]
;; does = "a sink that writes into one artifact until the disk is full, and tries to commit what there is"
;; role = "sink"
;; asks = ["artifacts"]
;; counts = { artifact-not-written = 2 }
;; goes-on = "the write fails, the artifact is closed, and nothing of it appears"
;; -- imports
(import "bulkhead:plugin/artifacts@0.1.0" "create"
  (func $create (param i32 i32 i32 i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[method]writer.write"
  (func $write (param i32 i32 i32 i32)))
(import "bulkhead:plugin/artifacts@0.1.0" "[static]writer.commit"
  (func $commit (param i32 i32)))
;; -- memory
2
;; -- items
(data (i32.const 4096) "lake")
;; -- on-batch
(call $create (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 4)
  (i32.const 0) (i32.const 0) (i32.const 2048))
(local.set $left (i32.const 1000))
(block $full
  (loop $l
    (call $write (i32.load (i32.const 2052)) (i32.const 65536) (i32.const 65536) (i32.const 2064))
    (br_if $full (i32.load8_u (i32.const 2064)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $l (local.get $left)))
  (unreachable))
(if (i32.ne (i32.load8_u (i32.const 2065)) (i32.const 4)) (then (unreachable)))
(call $commit (i32.load (i32.const 2052)) (i32.const 2080))
(if (i32.ne (i32.load8_u (i32.const 2080)) (i32.const 1)) (then (unreachable)))
(if (i32.ne (i32.load8_u (i32.const 2088)) (i32.const 5)) (then (unreachable)))
