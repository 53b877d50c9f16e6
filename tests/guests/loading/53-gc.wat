;; attacks = [53]
;; does = "makes structs that a collector would have to find"
;; refused = "gc"
;; -- whole
(component
  (core module (type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))))
